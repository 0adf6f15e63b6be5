import { beforeEach, describe, expect, it } from "vitest";
import type { Ask, Limits, RateLimits } from "../../src/resilience/rate-limits.ts";

const { signal } = new AbortController();
let callers = 0;
const ask = (over: Partial<Ask> = {}): Ask => {
  callers += 1;
  return { id: `caller ${callers}`, bucket: "flash", tokens: 1, priority: "mention", scope: "1", ...over };
};

/** What every rate limit promises; `make` gives one that counts nothing yet, on the machine's own clock. */
export function rateLimitsConformance(title: string, make: (limits: Limits) => Promise<RateLimits>): void {
  const none: Limits = { requestsPerMinute: null, tokensPerMinute: null, requestsPerDay: null };
  const takeAll = async (limits: RateLimits, most: number, over: Partial<Ask> = {}) => {
    for (let granted = 0; granted < most; granted += 1)
      if (!(await limits.take(ask(over), signal)).granted) return granted;
    return most;
  };
  describe(`rate limits ${title}`, () => {
    let limits: RateLimits;
    describe("of five requests a minute", () => {
      beforeEach(async () => {
        limits = await make({ ...none, requestsPerMinute: 5 });
      });
      it("let five through, and tell the sixth and the tenth when theirs may be free", async () => {
        expect(await takeAll(limits, 9)).toBe(5);
        const sixth = ask();
        expect(await limits.take(sixth, signal)).toMatchObject({ granted: false, reason: "requests_per_minute" });
        const waitMs = await limits.estimateMs(sixth, 0, signal);
        expect(waitMs).toBeGreaterThan(50_000);
        expect(waitMs).toBeLessThanOrEqual(61_000);
        expect(await limits.estimateMs(sixth, 5, signal)).toBeGreaterThan(110_000);
      });
      it("count each bucket for itself", async () => {
        expect(await takeAll(limits, 9)).toBe(5);
        expect(await takeAll(limits, 9, { bucket: "embedding" })).toBe(5);
      });
      it("keep a part for those that go first", async () => {
        expect(await takeAll(limits, 9, { priority: "background" })).toBe(2);
        expect(await takeAll(limits, 9, { priority: "ambient" })).toBe(1);
        expect(await takeAll(limits, 9, { priority: "reply" })).toBe(1);
        expect(await takeAll(limits, 9)).toBe(1);
      });
      it("let nothing through while a bucket is blocked", async () => {
        await limits.block("flash", Date.now() + 30_000, "requests_per_day", signal);
        await limits.block("flash", Date.now() + 2_000, "requests_per_minute", signal);
        const one = ask();
        expect(await limits.take(one, signal)).toMatchObject({ granted: false, reason: "requests_per_day" });
        expect(await limits.estimateMs(one, 0, signal)).toBeGreaterThan(25_000);
        expect(await limits.take(ask({ bucket: "embedding" }), signal)).toMatchObject({ granted: true });
      });
    });
    it("of tokens give back what an estimate took too much, and let a call larger than the whole limit go alone", async () => {
      limits = await make({ ...none, tokensPerMinute: 1_000 });
      const first = await limits.take(ask({ tokens: 900 }), signal);
      const second = ask({ tokens: 500 });
      expect(await limits.take(second, signal)).toMatchObject({ granted: false, reason: "tokens_per_minute" });
      await limits.settle("flash", first.granted ? first.ticket : "", 400, signal);
      expect(await limits.take(second, signal)).toMatchObject({ granted: true });
      expect(await limits.take(ask({ bucket: "large", tokens: 5_000 }), signal)).toMatchObject({ granted: true });
      expect(await limits.take(ask({ bucket: "large", tokens: 1 }), signal)).toMatchObject({ granted: false });
    });
    it("of a day hold until midnight in California", async () => {
      limits = await make({ ...none, requestsPerDay: 2 });
      expect(await takeAll(limits, 3)).toBe(2);
      const third = ask();
      expect(await limits.take(third, signal)).toMatchObject({ granted: false, reason: "requests_per_day" });
      expect(await limits.estimateMs(third, 0, signal)).toBeGreaterThan(0);
    });
    it("without any limit let everything through", async () => {
      limits = await make(none);
      expect(await takeAll(limits, 200)).toBe(200);
    });
  });
}
