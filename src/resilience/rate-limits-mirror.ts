import type { Allowance, Bucket, Grant } from "./forecast.ts";
import { nextPacificMidnight } from "./pacific-day.ts";
import { windowMs } from "./rate-limits-in-process.ts";
import type { Limits } from "./rate-limits.ts";

/** What one process knows of one bucket of the counters in Redis, by Redis's clock unless it says otherwise. */
export interface Mirror {
  epoch: string;
  /** Redis's clock minus ours. */
  aheadMs: number;
  /** When Redis answered last, by our clock; null: never. */
  heardAt: number | null;
  processes: number;
  /** How many of these come before this one; null: not known. */
  place: number | null;
  blocked: Bucket["blocked"];
  /** What this process may grant by itself, were it to lose Redis now: nobody else is granted it. */
  kept: { requests: number; tokens: number; today: number };
  /** Granted to all on the day that ends at `dayEndsAt`, as Redis said last. */
  today: number;
  dayEndsAt: number;
  /** Granted to this process, while they count. */
  own: Grant[];
  /** Granted to all as of the last beat, by ticket: a Redis that was emptied does not know of those that have ended meanwhile. */
  everybodys: Map<string, Grant>;
  seenAt: number;
  /** Granted on that day by this process itself, and how many of these Redis has been told. */
  aloneToday: number;
  toldToday: number;
  /** The epoch that knows of what this process was granted, but for what it was granted without Redis. */
  toldEpoch: string;
  untold: number;
  /** Redis was away: it may have lost what it was told. */
  isUnsure: boolean;
}

/** What a process goes on with when Redis is away, by its own clock. */
export interface Remembered {
  /** How many processes count together; at least 1. */
  readonly processes: number;
  /** How many of these come before this one; null: not known. */
  readonly place: number | null;
  /** Those of this process that still count, oldest first. */
  readonly own: readonly Grant[];
  /** Null: this process is the only one, and knows all. */
  readonly allowance: Allowance | null;
  readonly grantedToday: number;
  readonly dayEndsAt: number;
  readonly blocked: Bucket["blocked"];
}

/** Of a bucket of which nothing is known yet. */
export function makeMirror(): Mirror {
  return {
    epoch: "",
    aheadMs: 0,
    heardAt: null,
    processes: 1,
    place: null,
    blocked: null,
    kept: { requests: 0, tokens: 0, today: 0 },
    today: 0,
    dayEndsAt: 0,
    own: [],
    everybodys: new Map(),
    seenAt: 0,
    aloneToday: 0,
    toldToday: 0,
    toldEpoch: "",
    untold: 0,
    isUnsure: false,
  };
}

/** Notes a call that this process was granted, by Redis's clock. */
export function keepGrant(mirror: Mirror, grant: Grant): void {
  mirror.own = [...mirror.own.filter(({ at }) => at + windowMs > grant.at), grant];
}

/** Notes a call that this process granted to itself, by its own clock, to be told to Redis as soon as it is back. */
export function keepAloneGrant(mirror: Mirror, { ticket, at, tokens }: Grant): void {
  const grant = { ticket, at: at + mirror.aheadMs, tokens };
  if (grant.at >= mirror.dayEndsAt) {
    mirror.dayEndsAt = nextPacificMidnight(grant.at);
    mirror.today = mirror.aloneToday = mirror.toldToday = 0;
  }
  keepGrant(mirror, grant);
  mirror.untold += 1;
  mirror.aloneToday += 1;
  const { requests, tokens: left, today } = mirror.kept;
  mirror.kept = {
    requests: Math.max(0, requests - 1),
    tokens: Math.max(0, left - tokens),
    today: Math.max(0, today - 1),
  };
}

/**
 * What is left to a process that loses Redis at `nowMs` (its own clock). Whatever was free when it last looked may have been granted to others since, but for what
 * was kept for it; only when no call of that time counts any more it has its share of the limits. `livingMs`: for how long others are granted its share.
 */
export function recollect(mirror: Mirror, limits: Limits, nowMs: number, livingMs: number): Remembered {
  const { aheadMs, heardAt, kept, processes } = mirror;
  const isToday = nowMs + aheadMs < mirror.dayEndsAt;
  const orAny = (limit: number | null, part: number) => (limit === null ? Number.POSITIVE_INFINITY : part);
  const usedToday = isToday ? mirror.today + mirror.aloneToday - mirror.toldToday : 0;
  const allowance: Allowance = {
    untilMs: heardAt === null ? nowMs + windowMs : Math.max(nowMs, heardAt + livingMs) + windowMs,
    requests: orAny(limits.requestsPerMinute, kept.requests),
    tokens: orAny(limits.tokensPerMinute, kept.tokens),
    today: orAny(limits.requestsPerDay, heardAt === null || !isToday ? Number.POSITIVE_INFINITY : kept.today),
    isDayUsed: limits.requestsPerDay !== null && heardAt !== null && usedToday >= limits.requestsPerDay,
  };
  const dayEndsAt = (isToday ? mirror.dayEndsAt : nextPacificMidnight(nowMs + aheadMs)) - aheadMs;
  // Whoever has never met Redis may have taken the place of one that used up its part: of the day it has what is left of it by the clock.
  const past = Math.min(1, Math.max(0, 1 - (dayEndsAt - nowMs) / 86_400_000)) * (limits.requestsPerDay ?? 0);
  return {
    processes,
    place: mirror.place,
    own: mirror.own.map((grant) => ({ ...grant, at: grant.at - aheadMs })).toSorted((a, b) => a.at - b.at),
    allowance: processes === 1 && heardAt !== null ? null : allowance,
    grantedToday: heardAt === null ? past : usedToday,
    dayEndsAt,
    blocked: mirror.blocked && { ...mirror.blocked, untilMs: mirror.blocked.untilMs - aheadMs },
  };
}

/** Notes what was granted to all, as a beat was told it: ticket, time and tokens of each. */
export function keepEverybodys(mirror: Mirror, flat: readonly (string | number)[], nowMs: number): void {
  for (let i = 0; i < flat.length; i += 3)
    mirror.everybodys.set(String(flat[i]), {
      ticket: String(flat[i]),
      at: Number(flat[i + 1]),
      tokens: Number(flat[i + 2]),
    });
  for (const { ticket, at } of mirror.everybodys.values()) if (at + windowMs <= nowMs) mirror.everybodys.delete(ticket);
  mirror.seenAt = nowMs;
}
