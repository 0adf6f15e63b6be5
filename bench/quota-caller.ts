import { pino } from "pino";
import { makeRedis } from "../src/connections/redis.ts";
import { ForeseenError } from "../src/errors.ts";
import { makeMetrics } from "../src/metrics.ts";
import { isModelFailure } from "../src/model/failures.ts";
import { makeGemini } from "../src/model/gemini.ts";
import { makeGovernor } from "../src/model/governor.ts";
import type { GenerateRequest } from "../src/model/model.ts";
import { makeBreaker } from "../src/resilience/policies.ts";
import { makeFleetRateLimits } from "../src/resilience/rate-limits-of-fleet.ts";
import { makeRedisRateLimits } from "../src/resilience/rate-limits-redis.ts";
import { unguarded } from "../test/resilience/unguarded.ts";

// One process of many that share a model's limits: calls when its parent says so, and reports how long it was made to wait and what it was told.

/** What the parent wants: one call of this priority. */
interface Order {
  readonly priority: "mention" | "ambient";
}

/** How a call went: milliseconds it waited, the first estimate (null: it did not have to wait), and what became of it. */
export interface CallReport {
  readonly priority: "mention" | "ambient";
  readonly waitedMs: number;
  readonly estimatedMs: number | null;
  readonly outcome: string;
}

const { REDIS_URL: redisUrl = "", GEMINI_URL: baseUrl = "", LIMITS: limitsJson = "{}" } = process.env;
const limits = JSON.parse(limitsJson) as { requestsPerMinute: number; tokensPerMinute: number; requestsPerDay: number };
const log = pino({ level: "silent" });
const metrics = makeMetrics();
const redis = makeRedis({ guard: unguarded, url: redisUrl, metrics, log });
await redis.start(AbortSignal.timeout(10_000), () => {});
const model = makeGemini({
  apiKey: "bench",
  baseUrl,
  model: "gemini-3.5-flash-lite",
  embeddingModel: "gemini-embedding-001",
  embeddingDimensions: 768,
});
const counting = { limits: () => limits, now: () => Date.now() };
const fleet = makeFleetRateLimits({
  ...counting,
  shared: makeRedisRateLimits({ ...counting, cache: redis.cache }),
  buckets: [model.name],
  countProcesses: () => 1,
  log,
});
await fleet.start(AbortSignal.timeout(10_000), () => {});
const breaker = makeBreaker({ name: "gemini_api", failureThreshold: 3, recoveryMs: 30_000, counts: isModelFailure });
const governor = makeGovernor({ model, limits: fleet, breaker, metrics, log, patienceMs: 600_000 });

process.on("message", ({ priority }: Order) => void call(priority));
process.send?.("ready");

async function call(priority: Order["priority"]): Promise<void> {
  const began = performance.now();
  let estimatedMs: number | null = null;
  const request: GenerateRequest = {
    system: "You answer briefly. ".repeat(20),
    prompt: "What is the time? ".repeat(20),
    schema: null,
    grounding: {
      agents: [],
      defaultAgent: "mira",
      author: "ann",
      message: "What is the time?",
      conversation: [],
      memories: [],
    },
    maxOutputTokens: 100,
    temperature: null,
    model: null,
    priority,
    onWait: ({ waitMs }) => {
      estimatedMs ??= waitMs;
    },
  };
  const outcome = await governor.generate(request, AbortSignal.timeout(900_000)).then(
    () => "answered",
    (error: unknown) => (error instanceof ForeseenError ? error.code : String(error)),
  );
  const report: CallReport = { priority, waitedMs: Math.round(performance.now() - began), estimatedMs, outcome };
  process.send?.(report);
}
