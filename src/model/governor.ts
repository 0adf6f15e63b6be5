import { randomUUID } from "node:crypto";
import type { Priority } from "../envelope.ts";
import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { BreakerOpen, makeRetry, type Breaker, type Retry } from "../resilience/policies.ts";
import type { RateLimits } from "../resilience/rate-limits.ts";
import { makeTurnstile, type Delay, type Turnstile } from "../resilience/turnstile.ts";
import { ModelQuota, modelDeadline, modelUnavailable, stopping } from "./failures.ts";
import type { GenerateRequest, Model } from "./model.ts";

export interface GovernorOptions {
  readonly model: Model;
  readonly limits: RateLimits;
  /** `gemini_api`; its `counts` is `isModelFailure`. */
  readonly breaker: Breaker;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** A call is not repeated when more than this has passed since it was asked for; left out: as long as its signal lets it. */
  readonly repeatsWithinMs?: number;
  /** A call that would wait longer for its turn is refused at once, with the true time. */
  readonly patienceMs?: number;
  readonly now?: () => number;
}

export interface Governor extends Model {
  readonly breaker: Breaker;
  /** Calls that wait for their turn. */
  waiting(): number;
  /** The limits have changed: whoever waits for them asks again. */
  wake(): void;
  /** The process stops: a call that waits for its turn, or would have to, fails with `stopping` at once. */
  stopWaiting(): void;
}

/** One kind of call: what it is named in metrics, which counter it uses up, and what it is expected to cost. */
interface Errand<T> {
  readonly operation: "generate" | "embed";
  readonly bucket: string;
  readonly tokens: number;
  readonly priority: Priority;
  /** Empty: nobody's. */
  readonly scope: string;
  readonly onDelay: (delay: Delay) => void;
  /** `arrived` is called as soon as the provider begins to answer. */
  readonly call: (signal: AbortSignal, arrived: () => void) => Promise<T>;
  /** Input tokens as the provider counted them; null when it did not. */
  readonly inputTokens: (result: T) => number | null;
  readonly status: (result: T) => string;
}

/**
 * Stands in front of a model: every attempt waits for its turn under the provider's limits, first by priority; repeats
 * what is worth repeating, at most twice; leaves the provider alone while the breaker is open. An offline model has no provider and passes freely.
 */
export function makeGovernor(options: GovernorOptions): Governor {
  const { model, breaker, limits } = options;
  const patienceMs = options.patienceMs ?? 60_000;
  const now = options.now ?? (() => Date.now());
  const turnstiles = new Map<string, Turnstile>();
  let isStopping = false;
  const turnstileOf = (bucket: string): Turnstile => {
    const turnstile = turnstiles.get(bucket) ?? makeTurnstile(limits, patienceMs, now);
    turnstiles.set(bucket, turnstile);
    if (isStopping) turnstile.close(stopping());
    return turnstile;
  };
  const run = makeErrands(options, turnstileOf, now);
  return {
    name: model.name,
    offline: model.offline,
    embedder: model.embedder,
    breaker,
    wake: () => {
      for (const turnstile of turnstiles.values()) turnstile.wake();
    },
    stopWaiting: () => {
      isStopping = true;
      for (const turnstile of turnstiles.values()) turnstile.close(stopping());
    },
    waiting: () => turnstiles.values().reduce((sum, turnstile) => sum + turnstile.waiting(), 0),
    generate: (request, signal) =>
      model.offline ? model.generate(request, signal) : run(generation(options, request), signal),
    embed: (request, signal) =>
      model.offline
        ? model.embed(request, signal)
        : run(
            {
              operation: "embed",
              bucket: request.space ?? model.embedder.space,
              tokens: request.texts.reduce((sum, text) => sum + estimateTokens(text), 0),
              priority: request.task === "document" ? "background" : request.priority,
              scope: request.scope ?? "",
              onDelay: () => {},
              call: (own) => model.embed(request, own),
              inputTokens: () => null,
              status: () => "success",
            },
            signal,
          ),
  };
}

function generation({ model, metrics }: GovernorOptions, request: GenerateRequest) {
  let shown = false;
  const watch = (arrived: () => void): GenerateRequest => {
    const { onText } = request;
    if (onText === undefined) return request;
    return {
      ...request,
      onText: (delta) => {
        if (!shown) arrived();
        shown = true;
        onText(delta);
      },
    };
  };
  return {
    operation: "generate",
    bucket: request.model ?? model.name,
    tokens: estimateTokens(request.system) + estimateTokens(request.prompt),
    priority: request.priority,
    scope: request.scope ?? "",
    onDelay: (delay) => request.onWait?.(delay),
    call: (signal, arrived) => {
      if (shown) request.onRestart?.();
      shown = false;
      return model.generate(watch(arrived), signal);
    },
    inputTokens: ({ usage }) => {
      metrics.tokens.labels("input").inc(usage.inputTokens);
      metrics.tokens.labels("output").inc(usage.outputTokens);
      metrics.tokens.labels("cached").inc(usage.cachedTokens);
      return usage.inputTokens > 0 ? usage.inputTokens : null;
    },
    status: (outcome) => (outcome.kind === "text" ? "success" : "blocked"),
  } satisfies Errand<Awaited<ReturnType<Model["generate"]>>>;
}

function makeErrands(options: GovernorOptions, turnstileOf: (bucket: string) => Turnstile, now: () => number) {
  const { limits, log } = options;
  /** A counter that cannot be corrected must not cost the answer that is already here. */
  const unsettled = (error: unknown) => log.warn({ err: asError(error) }, "the count of the model's limits is off");
  const pass = async <T>(errand: Errand<T>, signal: AbortSignal): Promise<string> => {
    const arrivedAt = now();
    const { bucket, tokens, priority, scope } = errand;
    const passage = await turnstileOf(bucket).enter(
      { id: randomUUID(), bucket, tokens, priority, scope },
      errand.onDelay,
      signal,
    );
    if (!passage.admitted)
      throw new ModelQuota(passage.reason === "requests_per_day" ? "day" : "minute", passage.waitMs, "count");
    options.metrics.quotaWaitSeconds.labels(priority).observe((now() - arrivedAt) / 1000);
    return passage.ticket;
  };
  /** The provider knows better than our counter: nothing goes out before the time it named. */
  const learn = async (failure: unknown, bucket: string, signal: AbortSignal) => {
    if (!(failure instanceof ModelQuota) || failure.disposition.kind !== "retry") return;
    const reason = failure.limit === "day" ? "requests_per_day" : "requests_per_minute";
    await limits.block(bucket, now() + failure.disposition.afterMs, reason, signal).catch(unsettled);
    turnstileOf(bucket).wake();
    log.warn({ bucket, limit: failure.limit, afterMs: failure.disposition.afterMs }, "the provider's limit is used up");
  };
  const attempt = async <T>(errand: Errand<T>, signal: AbortSignal): Promise<T> => {
    const closedInMs = options.breaker.retryInMs();
    if (closedInMs > 0) throw new BreakerOpen(options.breaker.name, closedInMs);
    const ticket = await pass(errand, signal);
    log.debug({ bucket: errand.bucket, ticket }, "a call of the model may go");
    let isThere = false;
    const arrived = async () => {
      if (isThere) return;
      isThere = true;
      await limits.arrived(errand.bucket, ticket, signal).catch(unsettled);
    };
    try {
      const call = (own: AbortSignal) => measure(options, () => errand.call(own, () => void arrived()), errand);
      const result = await options.breaker.execute(call, signal);
      const counted = errand.inputTokens(result);
      const settle = () => limits.settle(errand.bucket, ticket, counted ?? 0, signal).catch(unsettled);
      await Promise.all([arrived(), counted === null ? null : settle()]);
      return result;
    } catch (error) {
      await arrived();
      await learn(error, errand.bucket, signal);
      throw error;
    } finally {
      const states = { closed: 0, half_open: 1, open: 2 } as const;
      options.metrics.breakerState.labels(options.breaker.name).set(states[options.breaker.report().state]);
    }
  };
  return async <T>(errand: Errand<T>, signal: AbortSignal): Promise<T> => {
    try {
      return await repeats(options, now)(() => attempt(errand, signal), signal);
    } catch (error) {
      if (error instanceof BreakerOpen) throw unavailableUntil(error);
      throw signal.aborted ? modelDeadline() : error;
    }
  };
}

/** What repeats one call that begins now. */
function repeats({ repeatsWithinMs = Number.POSITIVE_INFINITY }: GovernorOptions, now: () => number): Retry {
  const until = now() + repeatsWithinMs;
  const when = (error: unknown) => isWorthRepeating(error) && now() < until;
  return makeRetry({ retries: 2, initialMs: 500, maxMs: 8_000, when });
}

/** Runs the call itself and counts it: only what really goes out is a call. */
async function measure<T>({ metrics }: GovernorOptions, call: () => Promise<T>, errand: Errand<T>): Promise<T> {
  const stop = metrics.geminiSeconds.labels(errand.operation).startTimer();
  try {
    const result = await call();
    metrics.geminiCalls.labels(errand.operation, errand.status(result)).inc();
    return result;
  } catch (error) {
    const code = error instanceof ForeseenError ? error.code : "bug";
    metrics.geminiCalls.labels(errand.operation, code).inc();
    metrics.systemErrors.labels(code, "model").inc();
    throw error;
  } finally {
    stop();
  }
}

function isWorthRepeating(error: unknown): boolean {
  if (error instanceof ModelQuota) return error.source === "provider" && error.limit === "minute";
  return error instanceof ForeseenError && error.code === "model_unavailable";
}

function unavailableUntil(error: BreakerOpen): ForeseenError {
  const afterMs = error.disposition.kind === "retry" ? error.disposition.afterMs : 0;
  return modelUnavailable(asError(error).message, afterMs);
}

/** About four characters a token, and one where each character is a word or a syllable. Deliberately not too low. */
export function estimateTokens(text: string): number {
  const dense = text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu)?.length ?? 0;
  return Math.ceil(dense + (text.length - dense) / 4);
}
