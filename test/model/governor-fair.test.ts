import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Wait } from "../../src/model/model.ts";
import { noon, openGoverned as open, text } from "./governed.ts";
import { patient, requestFor } from "./requests.ts";

beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(() => void vi.useRealTimers());

describe("guilds share the provider's limits:", () => {
  it("a guild that asks five times does not stand behind the hundred of another one, and nobody is forgotten", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 10 }, patienceMs: 3_600_000 });
    const told = new Map<string, number>();
    for (let i = 0; i < 100; i += 1) void governor.generate(requestFor(`busy ${i}`, { scope: "1" }), patient);
    await vi.advanceTimersByTimeAsync(1_000);
    for (let i = 0; i < 5; i += 1) {
      const onWait = ({ waitMs }: Wait) => void told.set(`calm ${i}`, Date.now() - noon + waitMs);
      void governor.generate(requestFor(`calm ${i}`, { scope: "2", onWait }), patient);
    }
    await vi.runAllTimersAsync();
    const order = calls.map(({ message }) => message);
    expect(order).toHaveLength(105);
    // Ten had gone before the others came; of the next minute's ten at least half are theirs.
    expect(order.slice(10, 20).filter((message) => message.startsWith("calm"))).toHaveLength(5);
    for (const [message, at] of told)
      expect(Math.abs((calls.find((call) => call.message === message)?.at ?? 0) - at)).toBeLessThanOrEqual(2_000);
    expect(order.filter((message) => message.startsWith("busy"))).toEqual(
      Array.from({ length: 100 }, (_, i) => `busy ${i}`),
    );
  });

  it("in a guild whoever asks first goes first, also when its calls of a minute ago count no more", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 10 }, patienceMs: 3_600_000 });
    for (let i = 0; i < 40; i += 1) void governor.generate(requestFor(`early ${i}`, { scope: "1" }), patient);
    await vi.advanceTimersByTimeAsync(63_000);
    expect(calls).toHaveLength(20);
    for (let i = 0; i < 5; i += 1) void governor.generate(requestFor(`late ${i}`, { scope: "1" }), patient);
    await vi.runAllTimersAsync();
    expect(calls.slice(-5).map(({ message }) => message)).toEqual([0, 1, 2, 3, 4].map((i) => `late ${i}`));
  });

  it("a guild that asks little is not told to come back after the hundred of another one", async () => {
    const { governor } = open({ limits: { requestsPerMinute: 10 }, patienceMs: 90_000 });
    for (let i = 0; i < 100; i += 1)
      governor.generate(requestFor(`busy ${i}`, { scope: "1" }), patient).catch(() => null);
    await vi.advanceTimersByTimeAsync(1_000);
    const calm = governor.generate(requestFor("calm", { scope: "2" }), patient).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(await calm).toEqual(text);
  });
});
