import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { makeRedis } from "../../src/connections/redis.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeInProcessRateLimits } from "../../src/resilience/rate-limits-in-process.ts";
import { makeRedisRateLimits } from "../../src/resilience/rate-limits-redis.ts";
import type { Ask, Limits } from "../../src/resilience/rate-limits.ts";
import { makeTurnstile } from "../../src/resilience/turnstile.ts";
import type { TestDatabase } from "../servers/postgres.ts";
import { describeOnEachRedis } from "../servers/redis-kinds.ts";
import { askRedis } from "../servers/shared.ts";
import { rateLimitsConformance } from "./rate-limits.ts";
import { unguarded } from "../resilience/unguarded.ts";

const log = pino({ level: "silent" });
const signal = new AbortController().signal;
const patience = { timeout: 30_000, interval: 50 };
const ask = (id: string, over: Partial<Ask> = {}): Ask => ({
  id,
  bucket: "flash",
  tokens: 1,
  priority: "mention",
  scope: "1",
  ...over,
});
const fifteen: Limits = { requestsPerMinute: 15, tokensPerMinute: null, requestsPerDay: null };

rateLimitsConformance("in the process", async (limits) =>
  makeInProcessRateLimits({ limits: () => limits, now: () => Date.now() }),
);

it("a call of one counter in the process is none of the counter's that takes its place", async () => {
  const make = () =>
    makeInProcessRateLimits({ limits: () => ({ ...fifteen, tokensPerMinute: 10 }), now: () => Date.now() });
  const [one, next] = [make(), make()];
  const under = await one.take(ask("one", { tokens: 10 }), signal);
  await next.take(ask("other", { tokens: 10 }), signal);
  await next.settle("flash", under.granted ? under.ticket : "", 1, signal);
  expect(await next.take(ask("third", { tokens: 5 }), signal)).toMatchObject({ granted: false });
});

await describeOnEachRedis((open) => {
  let place: TestDatabase;
  let redis: ReturnType<typeof makeRedis>;
  beforeAll(async () => {
    place = await open();
    redis = makeRedis({ guard: unguarded, url: place.url, metrics: makeMetrics(), log });
    await redis.start(AbortSignal.timeout(5_000), () => {});
  });
  beforeEach(() => askRedis(place.url, "FLUSHDB"));
  afterAll(async () => {
    await redis.stop(AbortSignal.timeout(1_000));
    await place.drop();
  });
  const join = async (limits: Limits = fifteen, skewMs = 0) => {
    const one = makeRedisRateLimits({
      cache: redis.cache,
      limits: () => limits,
      now: () => Date.now() + skewMs,
      recallMs: 200,
    });
    for (const bucket of ["flash", "embedding", "large"]) one.remembered(bucket);
    for (const bucket of ["flash", "embedding", "large"]) {
      const looking = ask(`looks at ${bucket}`, { bucket });
      // The first of all waits for others that may remember something.
      await vi.waitFor(async () => expect(await one.estimateMs(looking, 0, signal)).toBe(0), patience);
      await one.leave(looking);
    }
    return one;
  };

  it("whoever of a guild asks first stands first, also when its calls of a minute ago count no more", async () => {
    const one = await join({ requestsPerMinute: 2, tokensPerMinute: null, requestsPerDay: null });
    // What is kept aside for a process that is alone is all of it: it is granted whole.
    for (const id of ["a", "b"])
      await vi.waitFor(async () => expect(await one.take(ask(id), signal)).toMatchObject({ granted: true }), patience);
    for (const id of ["c", "d", "e", "f"]) expect(await one.take(ask(id), signal)).toMatchObject({ granted: false });
    // As a minute later.
    await askRedis(place.url, "DEL", "discord-agent:limits:flash:scopes");
    const late = await one.take(ask("g"), signal);
    expect(late).toMatchObject({ granted: false, line: ["c", "d", "e", "f", "g"] });
  });

  rateLimitsConformance("in Redis", (limits) => join(limits));

  it("who waits goes by priority and then by arrival, whichever process asks", async () => {
    const [one, other] = [
      await join({ ...fifteen, requestsPerMinute: 1 }),
      await join({ ...fifteen, requestsPerMinute: 1 }),
    ];
    expect(await one.take(ask("first"), signal)).toMatchObject({ granted: true });
    const waiting = [ask("ambient", { priority: "ambient" }), ask("mention"), ask("later mention")] as const;
    const minutes = async () => {
      const all: number[] = [];
      for (const [i, who] of waiting.entries())
        all.push(Math.ceil((await (i === 1 ? other : one).estimateMs(who, 0, signal)) / 61_000));
      return all;
    };
    await minutes();
    expect(await minutes()).toEqual([3, 1, 2]);
    await other.leave(waiting[1]);
    expect(await minutes()).toEqual([2, 2, 1]);
  });

  it("who waits goes by what its guild was granted, whichever process asks, and a newcomer soon has its turn", async () => {
    const limits = { ...fifteen, requestsPerMinute: 1 };
    const [one, other] = [await join(limits), await join(limits)];
    expect(await one.take(ask("first"), signal)).toMatchObject({ granted: true });
    const busy = [ask("busy 1"), ask("busy 2"), ask("busy 3"), ask("busy 4")];
    const calm = [ask("calm 1", { scope: "2" }), ask("calm 2", { scope: "2" })];
    const minutes = async (limit: typeof one, who: Ask) => Math.ceil((await limit.estimateMs(who, 0, signal)) / 61_000);
    for (const who of busy) await minutes(one, who);
    for (const who of calm) await minutes(other, who);
    const all = await Promise.all([...busy.map((who) => minutes(one, who)), ...calm.map((who) => minutes(other, who))]);
    expect(all).toEqual([2, 4, 5, 6, 1, 3]);
    for (const who of busy) await one.leave(who);
    expect(await minutes(other, calm[1] as Ask)).toBe(2);
  });

  it("a guild that asks little is let through before the many of another one, in the same process and in others", async () => {
    const limits = { ...fifteen, requestsPerMinute: 12 };
    const [one, other] = [await join(limits), await join(limits)];
    await Promise.all([one.beat(signal), other.beat(signal)]);
    await Promise.all([one.beat(signal), other.beat(signal)]);
    await one.block("flash", Date.now() + 2_000, "requests_per_minute", signal);
    const went: string[] = [];
    const stop = new AbortController();
    const [first, second] = [one, other].map((by) => makeTurnstile(by, 600_000, Date.now));
    const enter = (turnstile: typeof first, who: Ask) => {
      const told = turnstile?.enter(who, () => {}, stop.signal);
      void told?.then(
        () => went.push(who.id),
        () => null,
      );
    };
    for (let i = 0; i < 30; i += 1) {
      const who = ask(`busy ${i}`);
      await one.estimateMs(who, 0, signal);
      enter(first, who);
    }
    for (let i = 0; i < 3; i += 1) {
      enter(first, ask(`calm here ${i}`, { scope: "2" }));
      enter(second, ask(`calm there ${i}`, { scope: "3" }));
    }
    await vi.waitFor(() => expect(went).toHaveLength(12), patience);
    expect(went.filter((id) => id.startsWith("calm")).toSorted()).toHaveLength(6);
    stop.abort();
  });

  it("processes with clocks an hour apart count together", async () => {
    const [one, other] = [await join(fifteen), await join(fifteen, 3_600_000)];
    let granted = 0;
    const takeTwenty = async () => {
      const takers = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : other).take(ask(`taker ${i}`), signal));
      granted += (await Promise.all(takers)).filter((answer) => answer.granted).length;
      return granted;
    };
    await vi.waitFor(async () => expect(await takeTwenty()).toBe(15), patience);
    expect(await takeTwenty()).toBe(15);
    expect(one.remembered("flash").processes).toBe(2);
    await other.end();
    await one.beat(signal);
    expect(one.remembered("flash").processes).toBe(1);
  });

  it("a flushed Redis learns from the processes what they were granted", async () => {
    const [one, other] = [await join(), await join()];
    for (let i = 0; i < 6; i += 1) expect(await one.take(ask(`a${i}`), signal)).toMatchObject({ granted: true });
    for (let i = 0; i < 5; i += 1) expect(await other.take(ask(`b${i}`), signal)).toMatchObject({ granted: true });
    // What has ended is known to those who saw it.
    const gone = await join();
    await Promise.all([one.beat(signal), other.beat(signal)]);
    await vi.waitFor(async () => {
      await Promise.all([one.beat(signal), other.beat(signal)]);
      expect(await gone.take(ask("of one that ends"), signal)).toMatchObject({ granted: true });
    }, patience);
    await Promise.all([one.beat(signal), other.beat(signal)]);
    await gone.end();
    await askRedis(place.url, "FLUSHDB");
    expect(await one.take(ask("at once"), signal)).toMatchObject({ granted: false });
    await Promise.all([one.beat(signal), other.beat(signal)]);
    await vi.waitFor(
      async () => expect(await one.take(ask("at once"), signal)).toMatchObject({ granted: true }),
      patience,
    );
    let more = 0;
    const takeMore = async () => {
      await one.beat(signal);
      while ((await other.take(ask(`c${more}`), signal)).granted) more += 1;
      return more;
    };
    await vi.waitFor(async () => expect(await takeMore(), "of 15, 6, 5, 1 and 1 are used").toBe(2), patience);
    expect(await takeMore()).toBe(2);
  });
});
