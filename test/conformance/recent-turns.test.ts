import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeRedis } from "../../src/connections/redis.ts";
import { makeInProcessRecentTurns } from "../../src/memory/recent-turns-in-process.ts";
import { makeRedisRecentTurns } from "../../src/memory/recent-turns-redis.ts";
import { makeMetrics } from "../../src/metrics.ts";
import type { TestDatabase } from "../servers/postgres.ts";
import { describeOnEachRedis } from "../servers/redis-kinds.ts";
import { askRedis } from "../servers/shared.ts";
import { recentTurnsConformance } from "./recent-turns.ts";
import { unguarded } from "../resilience/unguarded.ts";

const limits = { lines: 3, maxAgeMs: 3_600_000 };
const signal = new AbortController().signal;

recentTurnsConformance("in the process", async (now) =>
  makeInProcessRecentTurns({ ...limits, now, conversations: 100 }),
);

await describeOnEachRedis((open) => {
  let place: TestDatabase;
  let redis: ReturnType<typeof makeRedis>;
  beforeAll(async () => {
    place = await open();
    redis = makeRedis({ guard: unguarded, url: place.url, metrics: makeMetrics(), log: pino({ level: "silent" }) });
    await redis.start(AbortSignal.timeout(5_000), () => {});
  });
  afterAll(async () => {
    await redis.stop(AbortSignal.timeout(1_000));
    await place.drop();
  });

  recentTurnsConformance("in Redis", async (now) => {
    await askRedis(place.url, "FLUSHDB");
    return makeRedisRecentTurns(redis.cache, { ...limits, now });
  });

  it("a line that somebody else wrote is not believed, and each conversation expires", async () => {
    const turns = makeRedisRecentTurns(redis.cache, { ...limits, now: () => Date.now() });
    await askRedis(place.url, "RPUSH", "discord-agent:recent:9", "a", '{"text":7}');
    expect(await turns.read("9", signal)).toBeNull();
    await turns.replace("9", { revision: "b", lines: [] }, signal);
    expect(await askRedis(place.url, "PTTL", "discord-agent:recent:9")).toMatch(/:3[0-9]{6}\r\n/);
  });
});
