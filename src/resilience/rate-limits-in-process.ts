import { nextPacificMidnight } from "./pacific-day.ts";
import type { Answer, Limits, RateLimits } from "./rate-limits.ts";

type Reason = Extract<Answer, { granted: false }>["reason"];

interface Grant {
  readonly ticket: string;
  at: number;
  tokens: number;
}

interface Bucket {
  /** Those that still count in the window, oldest first. */
  grants: Grant[];
  dayEndsAt: number;
  grantedToday: number;
  blocked: { readonly untilMs: number; readonly reason: Reason } | null;
}

const minuteMs = 60_000;

/**
 * Counts in this process, exactly, over every window of a minute. The provider counts at arrival, which lies
 * between the grant and the first sign of an answer: the later one counts, and `marginMs` is for a call that travels faster than those before it.
 */
export function makeInProcessRateLimits(
  limits: (bucket: string) => Limits,
  now: () => number,
  marginMs = 1_000,
): RateLimits {
  const windowMs = minuteMs + marginMs;
  const buckets = new Map<string, Bucket>();
  let tickets = 0;
  const bucketOf = (name: string): Bucket => {
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      bucket = { grants: [], dayEndsAt: nextPacificMidnight(now()), grantedToday: 0, blocked: null };
      buckets.set(name, bucket);
    }
    forget(bucket, now(), windowMs);
    return bucket;
  };
  return {
    take: async (ask) => {
      const bucket = bucketOf(ask.bucket);
      const { at, reason } = makeForecast(bucket, limits(ask.bucket), windowMs, now())(ask.tokens);
      if (at > now()) return { granted: false, retryInMs: at - now(), reason };
      tickets += 1;
      const grant = { ticket: String(tickets), at: now(), tokens: ask.tokens };
      bucket.grants.push(grant);
      bucket.grantedToday += 1;
      return { granted: true, ticket: grant.ticket };
    },
    estimateMs: async (ask, ahead) => {
      const next = makeForecast(bucketOf(ask.bucket), limits(ask.bucket), windowMs, now());
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
  };
}

function forget(bucket: Bucket, nowMs: number, windowMs: number): void {
  const firstThatCounts = bucket.grants.findIndex((grant) => grant.at + windowMs > nowMs);
  bucket.grants.splice(0, firstThatCounts === -1 ? bucket.grants.length : firstThatCounts);
  if (nowMs >= bucket.dayEndsAt) {
    bucket.dayEndsAt = nextPacificMidnight(nowMs);
    bucket.grantedToday = 0;
  }
  if (bucket.blocked !== null && bucket.blocked.untilMs <= nowMs) bucket.blocked = null;
}

/**
 * Plays the future of a bucket on a copy: each call of the returned function is one more request, and says when it would
 * be let through and what held it back longest.
 */
function makeForecast(bucket: Bucket, limits: Limits, windowMs: number, nowMs: number) {
  const grants = bucket.grants.map(({ at, tokens }) => ({ at, tokens }));
  const { requestsPerMinute, tokensPerMinute, requestsPerDay } = limits;
  let { dayEndsAt, grantedToday } = bucket;
  let at = Math.max(nowMs, bucket.blocked?.untilMs ?? 0);
  let oldest = 0;
  let tokensInWindow = grants.reduce((sum, grant) => sum + grant.tokens, 0);
  const turnDay = () => {
    if (at < dayEndsAt) return;
    dayEndsAt = nextPacificMidnight(at);
    grantedToday = 0;
  };
  const drop = (until: number) => {
    for (let grant = grants[oldest]; grant !== undefined && grant.at + windowMs <= until; grant = grants[oldest]) {
      tokensInWindow -= grant.tokens;
      oldest += 1;
    }
  };
  return (tokens: number): { at: number; reason: Reason } => {
    let reason: Reason = bucket.blocked?.reason ?? "requests_per_minute";
    turnDay();
    if (requestsPerDay !== null && grantedToday >= requestsPerDay) {
      at = dayEndsAt;
      reason = "requests_per_day";
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
    return { at, reason };
  };
}
