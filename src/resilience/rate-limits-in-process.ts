import { randomUUID } from "node:crypto";
import { limitsFor, makeForecast, use, type Bucket, type Reason } from "./forecast.ts";
import { nextPacificMidnight } from "./pacific-day.ts";
import type { Ask, Limits, RateLimits } from "./rate-limits.ts";

/** A minute, and a second for a call that travels faster than those before it. */
export const windowMs = 61_000;

/** When a call that is refused may be asked for again: longer than anybody waits in a line, where it would stand before all others. */
const refusedMs = 360_000;

export interface InProcessRateLimitsOptions {
  readonly limits: (bucket: string) => Limits;
  readonly now: () => number;
  /** Over which time the limits a minute are counted; `windowMs` when left out. */
  readonly windowMs?: (bucket: string) => number;
  /** What a call has too much of to be let through at all, as others may have one like it; null: nothing. */
  readonly refuses?: (ask: Ask) => Reason | null;
  /** What is known of a bucket already when it is first asked for. */
  readonly known?: (bucket: string) => Partial<Bucket>;
}

/**
 * Counts in this process, exactly, over every window of a minute. The provider counts at arrival, which lies
 * between the grant and the first sign of an answer: the later one counts.
 */
export function makeInProcessRateLimits(options: InProcessRateLimitsOptions): RateLimits {
  const { limits, now, known = () => ({}), refuses = () => null, windowMs: windowOf = () => windowMs } = options;
  const buckets = new Map<string, Bucket>();
  const bucketOf = (name: string): Bucket => {
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      const nothing = { grants: [], dayEndsAt: nextPacificMidnight(now()), grantedToday: 0, blocked: null };
      bucket = { ...nothing, allowance: null, ...known(name) };
      buckets.set(name, bucket);
    }
    forget(bucket, now(), windowOf(name));
    return bucket;
  };
  const forecast = ({ bucket, priority }: Ask) =>
    makeForecast(bucketOf(bucket), limitsFor(limits(bucket), priority), windowOf(bucket), now());
  return {
    take: async (ask) => {
      const fault = refuses(ask);
      if (fault !== null) return { granted: false, retryInMs: refusedMs, reason: fault };
      const { at, reason } = forecast(ask)(ask.tokens);
      if (at > now()) return { granted: false, retryInMs: at - now(), reason };
      // Of no other counter either: one that takes the place of this one is told of calls that are still under way.
      const grant = { ticket: randomUUID(), at: now(), tokens: ask.tokens };
      const bucket = bucketOf(ask.bucket);
      bucket.grants.push(grant);
      bucket.grantedToday += 1;
      if (bucket.allowance !== null) use(bucket.allowance, ask.tokens);
      return { granted: true, ticket: grant.ticket };
    },
    estimateMs: async (ask, ahead) => {
      if (refuses(ask) !== null) return refusedMs;
      const next = forecast(ask);
      for (let position = 0; position < ahead; position += 1) next(ask.tokens);
      return next(ask.tokens).at - now();
    },
    arrived: async (name, ticket) => {
      const { grants } = bucketOf(name);
      const grant = grants.find((candidate) => candidate.ticket === ticket);
      if (grant === undefined) return;
      grant.at = now();
      grants.sort((a, b) => a.at - b.at);
    },
    settle: async (name, ticket, tokens) => {
      const grant = bucketOf(name).grants.find((candidate) => candidate.ticket === ticket);
      if (grant !== undefined) grant.tokens = tokens;
    },
    block: async (name, untilMs, reason) => {
      const bucket = bucketOf(name);
      if (untilMs > (bucket.blocked?.untilMs ?? 0)) bucket.blocked = { untilMs, reason };
    },
    leave: async () => {},
  };
}

function forget(bucket: Bucket, nowMs: number, countsForMs: number): void {
  const firstThatCounts = bucket.grants.findIndex((grant) => grant.at + countsForMs > nowMs);
  bucket.grants.splice(0, firstThatCounts === -1 ? bucket.grants.length : firstThatCounts);
  if (nowMs >= bucket.dayEndsAt) {
    bucket.dayEndsAt = nextPacificMidnight(nowMs);
    bucket.grantedToday = 0;
    if (bucket.allowance !== null)
      Object.assign(bucket.allowance, { today: Number.POSITIVE_INFINITY, isDayUsed: false });
  }
  if (bucket.blocked !== null && bucket.blocked.untilMs <= nowMs) bucket.blocked = null;
}
