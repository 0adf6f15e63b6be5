import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { noon, openGoverned as open } from "./governed.ts";
import { patient, requestFor } from "./requests.ts";

beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(() => void vi.useRealTimers());

it("whoever waits for the limits goes on at once when they are raised, and waits on under those that hold now", async () => {
  const limits = { requestsPerMinute: 1 };
  const { governor, calls } = open({ limits, patienceMs: Infinity });
  const answers = ["first", "second", "third"].map((text) => governor.generate(requestFor(text), patient));
  await vi.advanceTimersByTimeAsync(1_000);
  expect([calls.length, governor.waiting()]).toEqual([1, 2]);
  limits.requestsPerMinute = 2;
  governor.wake();
  await vi.advanceTimersByTimeAsync(1);
  expect([calls.length, governor.waiting()]).toEqual([2, 1]);
  await vi.runAllTimersAsync();
  await Promise.all(answers);
  expect(calls.map(({ at }) => Math.round(at / 1_000))).toEqual([0, 1, 61]);
});
