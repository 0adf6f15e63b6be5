import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeInProcessRateLimits } from "../../src/resilience/rate-limits-in-process.ts";
import type { Ask, Limits } from "../../src/resilience/rate-limits.ts";

const { signal } = new AbortController();
const ask = (tokens = 1): Ask => ({ id: "1", bucket: "flash", tokens, priority: "mention", scope: "1" });

const open = (limits: Partial<Limits>, start = Date.parse("2026-06-01T12:00:00Z")) => {
  const clock = { now: start };
  const all: Limits = { requestsPerMinute: null, tokensPerMinute: null, requestsPerDay: null, ...limits };
  return {
    clock,
    limits: makeInProcessRateLimits({ limits: () => all, now: () => clock.now }),
  };
};

describe("rate limits in the process", () => {
  it("never let more through in any minute than the limits, and a refusal tells the true time", async () => {
    const arrival = fc.record({ gap: fc.nat(20_000), tokens: fc.integer({ min: 1, max: 600 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(arrival, { maxLength: 80 }),
        fc.integer({ min: 1, max: 8 }),
        async (arrivals, requestsPerMinute) => {
          const { clock, limits } = open({ requestsPerMinute, tokensPerMinute: 1_000 });
          const granted: { at: number; tokens: number }[] = [];
          const tries: boolean[][] = [];
          for (const { gap, tokens } of arrivals) {
            clock.now += gap;
            const first = await limits.take(ask(tokens), signal);
            if (!first.granted) {
              clock.now += first.retryInMs - 1;
              const early = await limits.take(ask(tokens), signal);
              clock.now += 1;
              const due = await limits.take(ask(tokens), signal);
              tries.push([early.granted, due.granted]);
            }
            granted.push({ at: clock.now, tokens });
          }
          expect(tries).toEqual(tries.map(() => [false, true]));
          for (const { at } of granted) {
            const inMinute = granted.filter((other) => other.at > at - 60_000 && other.at <= at);
            expect(inMinute.length).toBeLessThanOrEqual(requestsPerMinute);
            expect(inMinute.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(1_000);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("estimate exactly when each of those ahead and the caller will be let through", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(15_000), { maxLength: 20 }),
        fc.integer({ min: 0, max: 40 }),
        async (gaps, ahead) => {
          const { clock, limits } = open(
            { requestsPerMinute: 5, requestsPerDay: 30 },
            Date.parse("2026-06-02T06:58:00Z"),
          );
          for (const gap of gaps) {
            clock.now += gap;
            await limits.take(ask(), signal);
          }
          const due = clock.now + (await limits.estimateMs(ask(), ahead, signal));
          for (let granted = 0; granted <= ahead;) {
            const answer = await limits.take(ask(), signal);
            if (answer.granted) granted += 1;
            else clock.now += answer.retryInMs;
          }
          expect(clock.now).toBe(due);
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each([
    ["when the clocks go forward", "2026-03-08T08:00:00Z", 23],
    ["when the clocks go back", "2026-11-01T07:00:00Z", 25],
    ["on any other day", "2026-06-01T07:00:00Z", 24],
  ])("count a day from midnight to midnight in California, %s", async (_, midnight, hours) => {
    const { clock, limits } = open({ requestsPerDay: 1 }, Date.parse(midnight));
    expect(await limits.take(ask(), signal)).toMatchObject({ granted: true });
    const refused = { granted: false, retryInMs: hours * 3_600_000, reason: "requests_per_day" };
    expect(await limits.take(ask(), signal)).toEqual(refused);
    clock.now += hours * 3_600_000;
    expect(await limits.take(ask(), signal)).toMatchObject({ granted: true });
  });

  it("let nothing through while a bucket is blocked, and only in that bucket", async () => {
    const { clock, limits } = open({ requestsPerMinute: 5 });
    await limits.block("flash", clock.now + 34_000, "requests_per_minute", signal);
    await limits.block("flash", clock.now + 2_000, "requests_per_minute", signal);
    expect(await limits.take(ask(), signal)).toMatchObject({ granted: false, retryInMs: 34_000 });
    expect(await limits.take({ ...ask(), bucket: "embedding" }, signal)).toMatchObject({ granted: true });
    clock.now += 34_000;
    expect(await limits.take(ask(), signal)).toMatchObject({ granted: true });
  });

  it("give back what an estimate took too much, and take what it took too little", async () => {
    const { limits } = open({ tokensPerMinute: 1_000 });
    const first = await limits.take(ask(900), signal);
    expect(await limits.take(ask(500), signal)).toMatchObject({ granted: false, reason: "tokens_per_minute" });
    await limits.settle("flash", first.granted ? first.ticket : "", 400, signal);
    expect(await limits.take(ask(500), signal)).toMatchObject({ granted: true });
  });

  it("count a call from its arrival, when it travelled long", async () => {
    const { clock, limits } = open({ requestsPerMinute: 1 });
    const first = await limits.take(ask(1), signal);
    clock.now += 5_000;
    await limits.arrived("flash", first.granted ? first.ticket : "", signal);
    clock.now += 58_000;
    expect(await limits.take(ask(1), signal)).toMatchObject({ granted: false, retryInMs: 3_000 });
  });

  it("let a request larger than the whole limit go alone, rather than never", async () => {
    const { clock, limits } = open({ tokensPerMinute: 1_000 });
    await limits.take(ask(10), signal);
    const answer = await limits.take(ask(5_000), signal);
    expect(answer).toMatchObject({ granted: false });
    clock.now += answer.granted ? 0 : answer.retryInMs;
    expect(await limits.take(ask(5_000), signal)).toMatchObject({ granted: true });
  });
});
