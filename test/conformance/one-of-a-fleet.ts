import { pino } from "pino";
import { makeRedis } from "../../src/connections/redis.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeFleetRateLimits } from "../../src/resilience/rate-limits-of-fleet.ts";
import { makeRedisRateLimits } from "../../src/resilience/rate-limits-redis.ts";
import type { Limits } from "../../src/resilience/rate-limits.ts";
import { unguarded } from "../resilience/unguarded.ts";

const log = pino({ level: "silent" });
const { signal } = new AbortController();

/** The limits of one process of several, counted in the Redis at `url`, on a connection of its own. */
export async function joinFleet(url: string, limits: Limits, now = () => Date.now()) {
  const redis = makeRedis({ guard: unguarded, url, metrics: makeMetrics(), log });
  await redis.start(AbortSignal.timeout(5_000), () => {});
  const counting = { limits: () => limits, now };
  const shared = makeRedisRateLimits({ ...counting, cache: redis.cache });
  const fleet = makeFleetRateLimits({ ...counting, shared, buckets: ["flash"], countProcesses: () => 1, log });
  await fleet.start?.(signal, () => {});
  const leave = async () => {
    await fleet.stop(signal);
    await redis.stop(AbortSignal.timeout(1_000));
  };
  return { redis, shared, limits: fleet, leave };
}
