import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  circuitBreaker,
  fullJitterGenerator,
  handleWhen,
  retry,
} from "cockatiel";
import { ForeseenError } from "../errors.ts";

export type BreakerState = "closed" | "open" | "half_open";

/** What `/status` shows of one breaker. */
export interface BreakerReport {
  readonly state: BreakerState;
  readonly failure_count: number;
  /** ISO 8601; null when it never failed. */
  readonly last_failure: string | null;
}

/** Keeps calls away from a dependency that failed several times in a row, until it had time to recover. */
export interface Breaker {
  readonly name: string;
  /** Runs `work`; throws BreakerOpen at once while the breaker is open, and `signal.reason` when that aborts first. */
  execute<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
  report(): BreakerReport;
  /** Milliseconds until the next call may try the dependency; 0 when it may now. */
  retryInMs(): number;
}

/** The dependency failed several times in a row and is left alone for `disposition.afterMs`. */
export class BreakerOpen extends ForeseenError {
  override readonly name = "BreakerOpen";

  constructor(breaker: string, afterMs: number) {
    const seconds = Math.ceil(afterMs / 1000);
    super("breaker_open", `The breaker ${breaker} is open; the next try is in ${seconds} s`, {
      kind: "retry",
      afterMs,
    });
  }
}

export interface BreakerOptions {
  readonly name: string;
  /** Failures in a row until it opens. */
  readonly failureThreshold: number;
  readonly recoveryMs: number;
  /** Whether an error speaks against the dependency. All others pass through and count for nothing. */
  readonly counts: (error: unknown) => boolean;
  readonly onChange?: (state: BreakerState) => void;
}

/** Builds a breaker that opens after `failureThreshold` failures in a row and lets one probe through after `recoveryMs`. */
export function makeBreaker(options: BreakerOptions): Breaker {
  const policy = circuitBreaker(handleWhen(options.counts), {
    halfOpenAfter: options.recoveryMs,
    breaker: new ConsecutiveBreaker(options.failureThreshold),
  });
  let failures = 0;
  let lastFailure: number | null = null;
  let openedAt = 0;
  policy.onBreak(() => (openedAt = Date.now()));
  policy.onStateChange((state) => options.onChange?.(wordFor(state)));
  const retryInMs = () =>
    policy.state === CircuitState.Open ? Math.max(0, openedAt + options.recoveryMs - Date.now()) : 0;
  return {
    name: options.name,
    retryInMs,
    report: () => ({
      // cockatiel leaves "open" only when somebody calls; people read the state as it would be for that call.
      state: policy.state === CircuitState.Open && retryInMs() === 0 ? "half_open" : wordFor(policy.state),
      failure_count: failures,
      last_failure: lastFailure === null ? null : new Date(lastFailure).toISOString(),
    }),
    async execute(work, signal) {
      signal.throwIfAborted();
      const counted = async () => {
        try {
          const result = await work(signal);
          failures = 0;
          return result;
        } catch (error) {
          if (options.counts(error)) {
            failures += 1;
            lastFailure = Date.now();
          }
          throw error;
        }
      };
      try {
        // While a probe is under way cockatiel holds further calls without looking at their signals.
        return await untilAborted(policy.execute(counted, signal), signal);
      } catch (error) {
        throw error instanceof BrokenCircuitError ? new BreakerOpen(options.name, retryInMs()) : error;
      }
    },
  };
}

function wordFor(state: CircuitState): BreakerState {
  if (state === CircuitState.Closed) return "closed";
  return state === CircuitState.HalfOpen ? "half_open" : "open";
}

export interface RetryOptions {
  /** Tries after the first one. */
  readonly retries: number;
  readonly initialMs: number;
  readonly maxMs: number;
  /** Whether another try makes sense after this error. */
  readonly when: (error: unknown) => boolean;
}

/** Tries again with exponential back-off and full jitter; `work` hears the number of the try, from 0. */
export type Retry = <T>(work: (attempt: number) => Promise<T>, signal: AbortSignal) => Promise<T>;

/** Builds a retry; waiting ends with `signal.reason` when the signal aborts. */
export function makeRetry(options: RetryOptions): Retry {
  return async (work, signal) => {
    signal.throwIfAborted();
    const policy = retry(
      handleWhen((error) => !signal.aborted && options.when(error)),
      {
        maxAttempts: options.retries,
        backoff: new ExponentialBackoff({
          generator: fullJitterGenerator,
          initialDelay: options.initialMs,
          maxDelay: options.maxMs,
        }),
      },
    );
    const attempts = policy.execute(({ attempt }) => {
      signal.throwIfAborted();
      return work(attempt);
    }, signal);
    // cockatiel sleeps through an abort; the caller must not.
    return untilAborted(attempts, signal);
  };
}

/** Resolves as `work` does, unless `signal` aborts first: then it rejects at once with `signal.reason`. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Waits; rejects with the signal's reason when it aborts before. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const rung = Promise.withResolvers<void>();
  const timer = setTimeout(rung.resolve, ms);
  await untilAborted(rung.promise, signal).finally(() => clearTimeout(timer));
}
