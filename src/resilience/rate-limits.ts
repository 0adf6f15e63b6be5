import type { Priority } from "../envelope.ts";

/** The limits of one model, as its provider counts them. Null: no limit. */
export interface Limits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** Reset at midnight Pacific time. */
  readonly requestsPerDay: number | null;
}

export interface Ask {
  /** The caller: the same in each of its asks, another one in everybody else's. */
  readonly id: string;
  /** The provider's counter: one per project and model. */
  readonly bucket: string;
  /** Expected input tokens. */
  readonly tokens: number;
  readonly priority: Priority;
  /** Whose call it is: the limits are shared fairly between the scopes of a priority. Empty: nobody's. */
  readonly scope: string;
}

export type Answer =
  | { readonly granted: true; readonly ticket: string }
  /** `retryInMs`: when one may be free, true if nobody else asks before. `line`: the callers that go first of all, in this order, where the limits keep the line. */
  | {
      readonly granted: false;
      readonly retryInMs: number;
      readonly line?: readonly string[];
      readonly reason: "requests_per_minute" | "tokens_per_minute" | "requests_per_day";
    };

/**
 * Counts calls so that the provider's limits hold together. A throw or a timeout means the counter is gone: the caller
 * goes on with a cautious share of its own, never without a limit.
 */
export interface RateLimits {
  take(ask: Ask, signal: AbortSignal): Promise<Answer>;
  /** How long until `position` further requests ahead of a new one have been let through, in milliseconds. */
  estimateMs(ask: Ask, ahead: number, signal: AbortSignal): Promise<number>;
  /** The provider surely has the call by now (it began to answer, or the call is over): its minute counts from here on. */
  arrived(bucket: string, ticket: string, signal: AbortSignal): Promise<void>;
  /** Corrects an estimate of tokens by what the provider counted. */
  settle(bucket: string, ticket: string, tokens: number, signal: AbortSignal): Promise<void>;
  /** The provider refused: nothing in this bucket until `untilMs` (epoch milliseconds). */
  block(
    bucket: string,
    untilMs: number,
    reason: "requests_per_minute" | "tokens_per_minute" | "requests_per_day",
    signal: AbortSignal,
  ): Promise<void>;
  /** This caller waits no longer. Never rejects. */
  leave(ask: Ask): Promise<void>;
}
