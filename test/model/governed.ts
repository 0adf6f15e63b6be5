import { pino, type Logger } from "pino";
import { makeMetrics } from "../../src/metrics.ts";
import { isModelFailure } from "../../src/model/failures.ts";
import { makeGovernor } from "../../src/model/governor.ts";
import type { EmbedRequest, GenerateOutcome, GenerateRequest, Model } from "../../src/model/model.ts";
import { makeBreaker } from "../../src/resilience/policies.ts";
import { makeInProcessRateLimits } from "../../src/resilience/rate-limits-in-process.ts";
import type { Limits } from "../../src/resilience/rate-limits.ts";

/** When the governed clock starts: noon in California. */
export const noon = Date.parse("2026-06-01T19:00:00Z");

const usage = { inputTokens: 10, outputTokens: 5, cachedTokens: 2 };
/** What the model answers when nothing else is said. */
export const text: GenerateOutcome = { kind: "text", text: "Hello.", truncated: false, model: "flash", usage };
/** A refusal. */
export const blocked: GenerateOutcome = { kind: "blocked", reason: "SAFETY", sentence: "No.", model: "flash", usage };

/** What the model does in one call. */
export type Reaction = (request: GenerateRequest, signal: AbortSignal) => Promise<GenerateOutcome>;

const answers: Reaction = async () => text;

/** A governor before a model that does what `reactions` say, one call after the other, and then answers. */
export function openGoverned(
  options: { limits?: Partial<Limits>; patienceMs?: number; reactions?: Reaction[]; log?: Logger } = {},
) {
  const reactions = [...(options.reactions ?? [])];
  const calls: { at: number; message: string }[] = [];
  const embeds: EmbedRequest[] = [];
  const model: Model = {
    name: "flash",
    offline: false,
    embedder: { space: "embedding@3", kind: "semantic", dimensions: 3, reads: () => true },
    generate: async (request, signal) => {
      calls.push({ at: Date.now() - noon, message: request.grounding.message });
      return (reactions.shift() ?? answers)(request, signal);
    },
    embed: async (request) => {
      embeds.push(request);
      return request.texts.map(() => [1, 0, 0]);
    },
  };
  const metrics = makeMetrics();
  const usual: Limits = { requestsPerMinute: 15, tokensPerMinute: null, requestsPerDay: null };
  // As they are when somebody asks: a test may change its own.
  const limits = makeInProcessRateLimits({ limits: () => ({ ...usual, ...options.limits }), now: () => Date.now() });
  const breaker = makeBreaker({ name: "gemini_api", failureThreshold: 3, recoveryMs: 30_000, counts: isModelFailure });
  const log = options.log ?? pino({ level: "silent" });
  const patienceMs = options.patienceMs ?? 60_000;
  return { calls, embeds, metrics, governor: makeGovernor({ model, limits, breaker, metrics, log, patienceMs }) };
}
