import { expect, it, vi } from "vitest";
import { openGoverned as open } from "./governed.ts";
import { patient, requestFor } from "./requests.ts";

it("whoever waits for the limits when the process stops is sent away at once, and so is whoever comes after", async () => {
  const { governor, calls } = open({ limits: { requestsPerMinute: 1 }, patienceMs: 100_000 });
  await governor.generate(requestFor("Hello"), patient);
  const waiting = governor.generate(requestFor("Me too"), patient);
  await vi.waitFor(() => expect(governor.waiting()).toBe(1));
  governor.stopWaiting();
  await expect(waiting).rejects.toMatchObject({ code: "stopping" });
  await expect(governor.generate(requestFor("And me"), patient)).rejects.toMatchObject({ code: "stopping" });
  expect(calls).toHaveLength(1);
});
