import * as fc from "fast-check";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeFleetRateLimits } from "../../src/resilience/rate-limits-of-fleet.ts";
import type { Limits } from "../../src/resilience/rate-limits.ts";

const { signal } = new AbortController();
const log = pino({ level: "silent" });
const noon = Date.parse("2026-06-01T19:00:00Z");
/** As often as the database is asked who is there. */
const countEveryMs = 5_000;
const none: Limits = { requestsPerMinute: null, tokensPerMinute: null, requestsPerDay: null };

beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(() => void vi.useRealTimers());

/** Processes that come and go, each of which hears from the database now and then how many there are. */
function openFleet(limits: Limits) {
  const fleet: { readonly limits: ReturnType<typeof makeFleetRateLimits>; readonly leave: () => Promise<void> }[] = [];
  const granted: number[] = [];
  let callers = 0;
  const join = async () => {
    let known = 0;
    const one = { limits: makeFleetRateLimits({ ...counting, countProcesses: () => known }), leave: () => leave() };
    fleet.push(one);
    const count = () => {
      known = fleet.length;
    };
    count();
    const counted = setInterval(count, countEveryMs);
    const leave = async () => {
      clearInterval(counted);
      fleet.splice(fleet.indexOf(one), 1);
      await one.limits.stop(signal);
    };
    await one.limits.start?.(signal, () => {});
    return one;
  };
  const counting = { shared: null, limits: () => limits, buckets: ["flash"], now: () => Date.now(), log };
  /** What each would take now, all of it; resolves to how many went. */
  const takeAll = async () => {
    const before = granted.length;
    for (const one of fleet)
      for (let isFree = true; isFree;) {
        callers += 1;
        const ask = { id: `${callers}`, bucket: "flash", tokens: 1, priority: "mention", scope: "1" } as const;
        isFree = (await one.limits.take(ask, signal)).granted;
        if (isFree) granted.push(Date.now());
      }
    return granted.length - before;
  };
  const mostInAMinute = () =>
    Math.max(0, ...granted.map((at) => granted.filter((other) => other > at - 60_000 && other <= at).length));
  return { fleet, join, takeAll, mostInAMinute };
}

describe("the limits of a fleet without Redis", () => {
  it("are never exceeded, whoever goes when", async () => {
    const event = fc.record({ gap: fc.nat(30_000), what: fc.constantFrom("goes", "asks", "asks", "asks") });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(event, { maxLength: 40 }),
        async (processes, events) => {
          const { fleet, join, takeAll, mostInAMinute } = openFleet({ ...none, requestsPerMinute: 15 });
          while (fleet.length < processes) await join();
          await vi.advanceTimersByTimeAsync(10_000);
          for (const { gap, what } of events) {
            await vi.advanceTimersByTimeAsync(gap);
            if (what === "goes" && fleet.length > 1) await fleet[0]?.leave();
            if (what === "asks") await takeAll();
          }
          expect(mostInAMinute()).toBeLessThanOrEqual(15);
          while (fleet.length > 0) await fleet[0]?.leave();
        },
      ),
      { numRuns: 200 },
    );
  });

  it("are all used by one alone, and by the one that is left a minute after another has gone", async () => {
    const { join, takeAll } = openFleet({ ...none, requestsPerMinute: 15 });
    const one = await join();
    expect(await takeAll()).toBe(15);
    await join();
    await vi.advanceTimersByTimeAsync(75_000);
    expect(await takeAll(), "seven each").toBe(14);
    await one.leave();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await takeAll()).toBe(0);
    await vi.advanceTimersByTimeAsync(75_000);
    expect(await takeAll()).toBe(15);
  });
});
