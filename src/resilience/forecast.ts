import type { Priority } from "../envelope.ts";
import { nextPacificMidnight } from "./pacific-day.ts";
import type { Answer, Limits } from "./rate-limits.ts";

/** What held a call back. */
export type Reason = Extract<Answer, { granted: false }>["reason"];

/** A call that was let through, and still counts. */
export interface Grant {
  readonly ticket: string;
  /** Epoch milliseconds. */
  at: number;
  tokens: number;
}

/** What may be granted while it is not known what others were granted. */
export interface Allowance {
  /** How long that is so; epoch milliseconds. */
  readonly untilMs: number;
  /** Until then. */
  requests: number;
  tokens: number;
  /** Until the day ends. */
  today: number;
  /** False: others may have left something of the day, and whoever has nothing of it asks again in a minute. */
  isDayUsed: boolean;
}

/** The state of one of the provider's counters. */
export interface Bucket {
  /** Those that still count in the window, oldest first. */
  grants: Grant[];
  dayEndsAt: number;
  grantedToday: number;
  blocked: { readonly untilMs: number; readonly reason: Reason } | null;
  /** Null: all grants are known. */
  allowance: Allowance | null;
}

/** How much of each limit a priority may use: what is left is kept for those that go first, who may come at any moment. */
const shares: Readonly<Record<Priority, number>> = { mention: 1, reply: 0.9, ambient: 0.6, background: 0.4 };

/** The limits as they hold for calls of this priority. */
export function limitsFor(limits: Limits, priority: Priority): Limits {
  const part = (limit: number | null) => (limit === null ? null : Math.max(1, Math.floor(limit * shares[priority])));
  return {
    requestsPerMinute: part(limits.requestsPerMinute),
    tokensPerMinute: part(limits.tokensPerMinute),
    requestsPerDay: part(limits.requestsPerDay),
  };
}

/**
 * Plays the future of a bucket on a copy: each call of the returned function is one more request, and says when it would
 * be let through and what held it back longest.
 */
export function makeForecast(bucket: Bucket, limits: Limits, windowMs: number, nowMs: number) {
  const grants = bucket.grants.map(({ at, tokens }) => ({ at, tokens }));
  const { requestsPerMinute, tokensPerMinute, requestsPerDay } = limits;
  let { dayEndsAt, grantedToday } = bucket;
  const left = bucket.allowance && { ...bucket.allowance };
  let at = Math.max(nowMs, bucket.blocked?.untilMs ?? 0);
  let oldest = 0;
  let tokensInWindow = grants.reduce((sum, grant) => sum + grant.tokens, 0);
  const turnDay = () => {
    if (at < dayEndsAt) return;
    dayEndsAt = nextPacificMidnight(at);
    grantedToday = 0;
    if (left !== null) Object.assign(left, { today: Number.POSITIVE_INFINITY, isDayUsed: false });
  };
  const drop = (until: number) => {
    for (let grant = grants[oldest]; grant !== undefined && grant.at + windowMs <= until; grant = grants[oldest]) {
      tokensInWindow -= grant.tokens;
      oldest += 1;
    }
  };
  let reason: Reason = bucket.blocked?.reason ?? "requests_per_minute";
  return (tokens: number): { at: number; reason: Reason } => {
    turnDay();
    if ((requestsPerDay !== null && grantedToday >= requestsPerDay) || (left !== null && left.today < 1)) {
      at = left === null || left.isDayUsed ? dayEndsAt : Math.min(dayEndsAt, Math.max(at, nowMs + windowMs));
      reason = "requests_per_day";
      turnDay();
    }
    if (left !== null && at < left.untilMs && (left.requests < 1 || left.tokens < tokens)) {
      at = left.untilMs;
      reason = left.requests < 1 ? "requests_per_minute" : "tokens_per_minute";
      turnDay();
    }
    drop(at);
    // A request larger than the whole limit goes when the window is empty: refusing it for ever would help nobody.
    for (let grant = grants[oldest]; grant !== undefined; grant = grants[oldest]) {
      const tooMany = requestsPerMinute !== null && grants.length - oldest >= requestsPerMinute;
      const tooLarge = tokensPerMinute !== null && tokensInWindow + tokens > tokensPerMinute;
      if (!tooMany && !tooLarge) break;
      at = grant.at + windowMs;
      reason = tooMany ? "requests_per_minute" : "tokens_per_minute";
      drop(at);
    }
    turnDay();
    grants.push({ at, tokens });
    tokensInWindow += tokens;
    grantedToday += 1;
    if (left !== null) use(left, tokens);
    return { at, reason };
  };
}

/** Takes one call of so many tokens off what may be granted. */
export function use(allowance: Allowance, tokens: number): void {
  allowance.requests -= 1;
  allowance.tokens -= tokens;
  allowance.today -= 1;
}
