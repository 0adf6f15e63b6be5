import { randomUUID } from "node:crypto";
import type { Cache } from "../connections/redis.ts";
import type { Priority } from "../envelope.ts";
import { limitsFor, makeForecast, type Bucket, type Grant, type Reason } from "./forecast.ts";
import { windowMs } from "./rate-limits-in-process.ts";
import {
  keepAloneGrant,
  keepEverybodys,
  keepGrant,
  makeMirror,
  recollect,
  type Mirror,
  type Remembered,
} from "./rate-limits-mirror.ts";
import { nextPacificMidnight } from "./pacific-day.ts";
import type { Answer, Ask, Limits, RateLimits } from "./rate-limits.ts";
import {
  arrivedScript,
  blockScript,
  bucketKeys,
  endScript,
  leaveScript,
  recallScript,
  settleScript,
  takeScript,
  type OrderLimits,
  type RecallOrder,
  type TakeOrder,
} from "./rate-limits-scripts.ts";

/** Rate limits that processes share. */
export interface SharedRateLimits extends RateLimits {
  /** Says that this process lives, brings what was granted without Redis, and looks at the counters. */
  beat(signal: AbortSignal): Promise<void>;
  /** What this process was granted without Redis, to be told to it as soon as it is back; the ticket ends with "@" and the scope, as all do. */
  remember(ask: Ask, ticket: string, at: number): void;
  /** What is known of a bucket; asking for one makes `beat` look at it. */
  remembered(bucket: string): Remembered;
  /** This process ends: its share is the others'. */
  end(): Promise<void>;
}

export interface SharedRateLimitsOptions {
  readonly cache: Cache;
  readonly limits: (bucket: string) => Limits;
  readonly now: () => number;
  /** How long nothing is granted after the counters were lost, so that everybody can bring what they remember; five seconds when left out. */
  readonly recallMs?: number;
}

/** How long a silent process may be counting for itself. */
const silentMs = 60_000;
/** A caller asks again at least this often; who does not is forgotten after twice as long. */
export const askAgainMs = 4_000;
/** Who could go but for somebody before it looks again after this time. */
const sociableMs = 50;
/** A process says this often that it lives; a silent one may count for itself, and is counted in for a minute. */
export const beatMs = 1_500;
const livingMs = 5_000;
/** Redis may have restarted: a connection is tried again after two seconds at most, a breaker leaves it alone for one, and then there is a beat. */
const recallMs = 5_000;

const ranks: Readonly<Record<Priority, number>> = { mention: 0, reply: 1, ambient: 2, background: 3 };

type Told =
  | { readonly kind: "granted"; readonly ticket: string; readonly at: number }
  | {
      readonly kind: "refused";
      readonly bucket: Bucket;
      readonly ahead: number;
      readonly line: readonly string[];
      readonly nowMs: number;
      readonly share: number;
    };

/** Counts in Redis, in one script a call: exactly, over every window of a minute, first by priority and then by arrival, whichever process asks. */
export function makeRedisRateLimits(options: SharedRateLimitsOptions): SharedRateLimits {
  return new RedisRateLimits(options);
}

class RedisRateLimits implements SharedRateLimits {
  readonly #options: SharedRateLimitsOptions;
  readonly #recallMs: number;
  readonly #process = randomUUID();
  readonly #mirrors = new Map<string, Mirror>();
  readonly #waiting = new Set<string>();

  constructor(options: SharedRateLimitsOptions) {
    this.#options = options;
    this.#recallMs = options.recallMs ?? recallMs;
  }

  async take(ask: Ask): Promise<Answer> {
    const told = await this.#ask(ask, "take");
    if (told.kind === "granted") {
      this.#waiting.delete(ask.id);
      keepGrant(this.#mirror(ask.bucket), { ticket: told.ticket, at: told.at, tokens: ask.tokens });
      return { granted: true, ticket: told.ticket };
    }
    this.#waiting.add(ask.id);
    const { at, reason } = this.#forecast(ask, told, told.ahead);
    // It may be somebody else's turn, or what is kept for others is not given back yet.
    const inMs = at > told.nowMs ? Math.max(told.ahead > 0 ? sociableMs : 1, at - told.nowMs) : sociableMs;
    return { granted: false, retryInMs: Math.min(askAgainMs, inMs), reason, line: told.line };
  }

  async estimateMs(ask: Ask, ahead: number): Promise<number> {
    const told = await this.#ask(ask, "look");
    if (told.kind === "granted") return 0;
    this.#waiting.add(ask.id);
    return Math.max(0, this.#forecast(ask, told, Math.max(ahead, told.ahead)).at - told.nowMs);
  }

  async arrived(bucket: string, ticket: string): Promise<void> {
    // First: a Redis that is away now is told when it is back.
    const grant = this.#mirror(bucket).own.find((one) => one.ticket === ticket);
    if (grant !== undefined) grant.at = this.#options.now() + this.#mirror(bucket).aheadMs;
    await this.#run(arrivedScript, bucket, [ticket]);
  }

  async settle(bucket: string, ticket: string, tokens: number): Promise<void> {
    const grant = this.#mirror(bucket).own.find((one) => one.ticket === ticket);
    if (grant !== undefined) grant.tokens = tokens;
    await this.#run(settleScript, bucket, [ticket, tokens]);
  }

  async block(bucket: string, untilMs: number, reason: Reason): Promise<void> {
    const mirror = this.#mirror(bucket);
    // First: a Redis that is away now is told when it is back.
    const until = untilMs + mirror.aheadMs;
    if (until > (mirror.blocked?.untilMs ?? 0)) mirror.blocked = { untilMs: until, reason };
    await this.#run(blockScript, bucket, [Math.max(0, untilMs - this.#options.now()), reason]);
  }

  async leave(ask: Ask): Promise<void> {
    if (this.#waiting.delete(ask.id)) await this.#run(leaveScript, ask.bucket, [ask.id]).catch(() => {});
  }

  async beat(signal: AbortSignal): Promise<void> {
    for (const [bucket, mirror] of this.#mirrors) {
      const { kept } = mirror;
      const look = () => this.#ask({ id: "", bucket, tokens: 0, priority: "mention", scope: "" }, "look");
      if (signal.aborted) return;
      await look();
      // What was kept for this process is the others' only when it has said that it knows.
      const isLess =
        mirror.kept.requests < kept.requests || mirror.kept.tokens < kept.tokens || mirror.kept.today < kept.today;
      if (isLess && !signal.aborted) await look();
    }
  }

  remember({ bucket, tokens }: Ask, ticket: string, at: number): void {
    keepAloneGrant(this.#mirror(bucket), { ticket, at, tokens });
  }

  remembered(bucket: string): Remembered {
    const { limits, now } = this.#options;
    return recollect(this.#mirror(bucket), limits(bucket), now(), livingMs);
  }

  async end(): Promise<void> {
    await this.#options.cache.run(endScript, [membersKey], [this.#process]).catch(() => {});
  }

  #forecast(ask: Ask, { bucket, nowMs, share }: Told & { kind: "refused" }, ahead: number) {
    const { requestsPerMinute, tokensPerMinute, requestsPerDay } = this.#limitsOf(ask);
    const part = (limit: number | null) => (limit === null ? null : Math.max(1, Math.floor(limit * share)));
    const limits = {
      requestsPerMinute: part(requestsPerMinute),
      tokensPerMinute: part(tokensPerMinute),
      requestsPerDay,
    };
    const next = makeForecast(bucket, limits, windowMs, nowMs);
    for (let position = 0; position < ahead; position += 1) next(ask.tokens);
    return next(ask.tokens);
  }

  #limitsOf(ask: Ask): Limits {
    return limitsFor(this.#options.limits(ask.bucket), ask.priority);
  }

  async #ask(ask: Ask, mode: "take" | "look"): Promise<Told> {
    const mirror = this.#mirror(ask.bucket);
    if (mirror.isUnsure || mirror.untold > 0 || mirror.toldEpoch !== mirror.epoch) await this.#recall(ask.bucket);
    const order = this.#orderOf(ask, mode, mirror);
    const answer = await this.#run(takeScript, ask.bucket, [JSON.stringify(order)]);
    const [what, nowMs, known, ...rest] = answer as [string, number, number, ...(string | number)[]];
    mirror.aheadMs = nowMs - this.#options.now();
    mirror.processes = Math.max(1, known);
    if (what === "stranger") {
      mirror.epoch = String(rest[0]);
      return this.#ask(ask, mode);
    }
    const [place, requests, tokens, ofToday, until, reason, day, today, ...more] = rest;
    const blocked = Number(until) > nowMs ? { untilMs: Number(until), reason: reason as Reason } : null;
    this.#learn(mirror, Number(day), Number(today));
    mirror.place = Number(place);
    mirror.heardAt = this.#options.now();
    mirror.kept = { requests: Number(requests), tokens: Number(tokens), today: Number(ofToday) };
    mirror.blocked = blocked;
    if (what === "granted") return { kind: "granted", ticket: String(more[0]), at: nowMs };
    const [ahead, living, first, ...flat] = more;
    const line = String(first).split(",");
    if (ask.id === "") keepEverybodys(mirror, flat.splice(0), nowMs);
    const grants: Grant[] = [];
    for (let i = 0; i < flat.length; i += 2)
      grants.push({ ticket: `other ${i}`, at: Number(flat[i]), tokens: Number(flat[i + 1]) });
    const bucket = { grants, dayEndsAt: Number(day), grantedToday: Number(today), blocked, allowance: null };
    return { kind: "refused", bucket, ahead: Number(ahead), line, nowMs, share: Number(living) / mirror.processes };
  }

  #orderOf(ask: Ask, mode: "take" | "look", mirror: Mirror): TakeOrder {
    return {
      process: this.#process,
      epoch: mirror.epoch,
      windowMs,
      dayEndsAt: nextPacificMidnight(this.#options.now() + mirror.aheadMs),
      caller: ask.id,
      rank: ranks[ask.priority],
      scope: ask.scope,
      patienceMs: 2 * askAgainMs,
      isTake: mode === "take",
      tokens: ask.tokens,
      limits: asOrder(this.#limitsOf(ask)),
      whole: asOrder(this.#options.limits(ask.bucket)),
      kept: mirror.kept,
      silentMs,
      livingMs,
      beatMs,
      sinceMs: mirror.seenAt,
      newEpoch: randomUUID(),
      recallMs: this.#recallMs,
    };
  }

  /** Tells Redis what this process was granted, which it may not know: it was away, or was emptied. Telling it again changes nothing. */
  async #recall(bucket: string): Promise<void> {
    const mirror = this.#mirror(bucket);
    const now = this.#options.now() + mirror.aheadMs;
    const dayEndsAt = nextPacificMidnight(now);
    const isToday = mirror.dayEndsAt === dayEndsAt;
    // An emptied Redis learns from all what all were granted: some of them may have ended.
    const others = mirror.toldEpoch === mirror.epoch ? [] : mirror.everybodys.values();
    const all = new Map([...others, ...mirror.own].map((grant) => [grant.ticket, grant]));
    const counting = [...all.values()].filter(({ at }) => at + windowMs > now);
    const { epoch, untold, aloneToday } = mirror;
    const order: RecallOrder = {
      process: this.#process,
      epoch,
      recallMs: this.#recallMs,
      dayEndsAt,
      seenToday: isToday && mirror.toldEpoch !== epoch ? mirror.today : -1,
      aloneToday: isToday ? aloneToday : 0,
      toldToday: isToday ? mirror.toldToday : 0,
      blocked: mirror.blocked === null ? null : [Math.round(mirror.blocked.untilMs), mirror.blocked.reason],
      grants: counting.map(({ ticket, at, tokens }) => [ticket, Math.round(at), tokens] as const),
    };
    const today = Number(await this.#run(recallScript, bucket, [JSON.stringify(order)]));
    if (today < 0) return;
    mirror.isUnsure = false;
    mirror.toldEpoch = epoch;
    mirror.untold -= untold;
    if (isToday) mirror.toldToday = aloneToday;
    this.#learn(mirror, dayEndsAt, today);
  }

  #learn(mirror: Mirror, dayEndsAt: number, today: number): void {
    if (dayEndsAt !== mirror.dayEndsAt) mirror.aloneToday = mirror.toldToday = 0;
    mirror.dayEndsAt = dayEndsAt;
    mirror.today = today;
  }

  #mirror(bucket: string): Mirror {
    const mirror = this.#mirrors.get(bucket) ?? makeMirror();
    this.#mirrors.set(bucket, mirror);
    return mirror;
  }

  async #run(
    script: Parameters<Cache["run"]>[0],
    bucket: string,
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const keys = bucketKeys.map((part) => `discord-agent:limits:${bucket}:${part}`);
    try {
      return await this.#options.cache.run(script, [...keys, membersKey], args);
    } catch (error) {
      this.#mirror(bucket).isUnsure = true;
      throw error;
    }
  }
}

const membersKey = "discord-agent:limits:members";

function asOrder({ requestsPerMinute, tokensPerMinute, requestsPerDay }: Limits): OrderLimits {
  return { requests: requestsPerMinute ?? -1, tokens: tokensPerMinute ?? -1, today: requestsPerDay ?? -1 };
}
