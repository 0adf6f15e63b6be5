import { afterEach, expect, test, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { countUnhandled, startCrew, type Crew } from "./crew.ts";

let crew: Crew | null = null;
let folder: Awaited<ReturnType<typeof temporaryFolder>> | null = null;

afterEach(async () => {
  await crew?.abandon();
  await folder?.remove();
});

test("a process that ends otherwise than with 0 when it is told to is counted and named; one that is killed is not", async () => {
  folder = await temporaryFolder();
  const mine = await startCrew([{ home: folder.path, env: {} }], AbortSignal.timeout(60_000));
  crew = mine;
  const moments = (wanted: string) => mine.moments.filter(({ what }) => what === wanted);
  await mine.kill(0, "SIGTERM", 0);
  expect(moments("ended with 0")).toHaveLength(1);
  expect(mine.crashes).toEqual([]);
  await vi.waitFor(() => expect(moments("ready")).toHaveLength(2), { timeout: 60_000 });
  // One that the product does not listen to.
  await mine.kill(0, "SIGQUIT", 0);
  await mine.kill(0, "SIGKILL", 0);
  await mine.stop();
  expect(mine.crashes).toMatchObject([{ bot: 0, told: "SIGQUIT", code: null }]);
  expect(countUnhandled(mine)).toBe(1);
});
