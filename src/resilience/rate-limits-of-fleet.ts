import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Bucket } from "./forecast.ts";
import { makeInProcessRateLimits, windowMs } from "./rate-limits-in-process.ts";
import { askAgainMs, beatMs, type SharedRateLimits } from "./rate-limits-redis.ts";
import type { Remembered } from "./rate-limits-mirror.ts";
import type { Ask, Limits, RateLimits } from "./rate-limits.ts";

export interface FleetRateLimitsOptions {
  /** The counters in Redis; null: there is no Redis. */
  readonly shared: SharedRateLimits | null;
  readonly limits: (bucket: string) => Limits;
  /** The buckets that are known from the start. */
  readonly buckets: readonly string[];
  /** How many processes use the limits, as the database knows; asked while there is no Redis. */
  readonly countProcesses: () => number;
  readonly now: () => number;
  readonly log: Logger;
}

const ownTicket = "own ";
/** By then every process has heard from the database who has come or gone. */
const heardMs = 10_000;

/**
 * The limits of a process that is one of several: counted together in Redis. Without it each takes its share, which is one part of as many
 * as there are processes, less what it knows to be used already: together never more than the limit, and never nothing. Whoever has gone may
 * have used its share of this minute, so that it is counted for a minute more; without Redis, who comes has a share that the others may have used already (decision 0015).
 */
export function makeFleetRateLimits(options: FleetRateLimitsOptions): RateLimits & Component {
  return new FleetRateLimits(options);
}

class FleetRateLimits implements RateLimits, Component {
  readonly name = "limits";
  readonly #options: FleetRateLimitsOptions;
  readonly #stopping = new AbortController();
  /** Null while Redis counts. */
  #alone: RateLimits | null;
  #processes = 1;
  /** What was counted in the last minute. */
  #counts: { readonly at: number; readonly processes: number }[] = [];
  #beating: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FleetRateLimitsOptions) {
    this.#options = options;
    this.#alone = options.shared === null ? this.#makeAlone() : null;
  }

  async start(): Promise<void> {
    for (const bucket of this.#options.buckets) this.#options.shared?.remembered(bucket);
    await this.#beat();
    const beat = () => {
      this.#beating = this.#beat();
    };
    this.#timer = setInterval(beat, beatMs).unref();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    await this.#beating;
    await this.#options.shared?.end();
  }

  async check() {
    const details = { shared: this.#alone === null, processes: this.#processes, requestsKept: this.#requestsKept() };
    return { status: "healthy", details } as const;
  }

  async take(ask: Ask, signal: AbortSignal) {
    const { shared, now } = this.#options;
    const told = await this.#fromRedis((redis) => redis.take(ask, signal));
    if (told !== null) return told;
    const alone = this.#goAlone();
    const answer = await alone.take(ask, signal);
    // Redis may be back at any moment, and then knows better.
    if (!answer.granted)
      return shared === null ? answer : { ...answer, retryInMs: Math.min(askAgainMs, answer.retryInMs) };
    const ticket = `${answer.ticket}@${ask.scope}`;
    shared?.remember(ask, ticket, now());
    return { ...answer, ticket: `${ownTicket}${ticket}` };
  }

  async estimateMs(ask: Ask, ahead: number, signal: AbortSignal): Promise<number> {
    const told = await this.#fromRedis((redis) => redis.estimateMs(ask, ahead, signal));
    return told ?? this.#goAlone().estimateMs(ask, ahead, signal);
  }

  arrived(bucket: string, ticket: string, signal: AbortSignal): Promise<void> {
    return this.#correct(ticket, (limits, own) => limits.arrived(bucket, own, signal));
  }

  settle(bucket: string, ticket: string, tokens: number, signal: AbortSignal): Promise<void> {
    return this.#correct(ticket, (limits, own) => limits.settle(bucket, own, tokens, signal));
  }

  async block(...args: Parameters<RateLimits["block"]>): Promise<void> {
    const told = await this.#fromRedis((redis) => redis.block(...args).then(() => true));
    if (told === null) await this.#goAlone().block(...args);
  }

  async leave(ask: Ask): Promise<void> {
    await this.#options.shared?.leave(ask);
  }

  /** Null when Redis does not answer. */
  async #fromRedis<T>(work: (shared: SharedRateLimits) => Promise<T>): Promise<T | null> {
    const { shared, log } = this.#options;
    if (shared === null) return null;
    try {
      const result = await work(shared);
      if (this.#alone !== null) log.info({ component: "limits" }, "the model's limits are counted in Redis again");
      this.#alone = null;
      return result;
    } catch {
      return null;
    }
  }

  #goAlone(): RateLimits {
    if (this.#alone !== null) return this.#alone;
    const { log } = this.#options;
    this.#processes = Math.max(this.#countLately(), this.#remembered());
    log.warn(
      { component: "limits", processes: this.#processes },
      "the model's limits are not counted together: this process keeps to its share",
    );
    this.#alone = this.#makeAlone();
    return this.#alone;
  }

  #makeAlone(): RateLimits {
    const { limits, now, shared } = this.#options;
    // As it is when Redis is lost, also for a bucket that is first asked for later.
    const known = new Map(this.#options.buckets.map((bucket) => [bucket, shared?.remembered(bucket)]));
    const part = (limit: number | null) => (limit === null ? null : Math.max(1, Math.floor(limit / this.#processes)));
    return makeInProcessRateLimits({
      now,
      limits: (bucket) => {
        const { requestsPerMinute, tokensPerMinute, requestsPerDay } = limits(bucket);
        return {
          requestsPerMinute: part(requestsPerMinute),
          tokensPerMinute: part(tokensPerMinute),
          requestsPerDay: part(requestsPerDay),
        };
      },
      // A share of less than one request a minute is one in more than a minute, where it is not known whose turn it is.
      windowMs: (bucket) => {
        const { requestsPerMinute } = limits(bucket);
        const isKnown = requestsPerMinute === null || (shared?.remembered(bucket).place ?? null) !== null;
        return isKnown ? windowMs : windowMs * Math.max(1, this.#processes / requestsPerMinute);
      },
      refuses: (ask) => this.#refuses(ask),
      known: (bucket) => {
        const remembered = known.get(bucket) ?? shared?.remembered(bucket);
        return remembered === undefined ? {} : this.#shareOf(remembered);
      },
    });
  }

  /** Each process may have a call that is larger than its share, or one more than there are, in the same minute. Where there never is a Redis such a call would wait for ever. */
  #refuses({ bucket, tokens }: Ask) {
    const { shared, limits } = this.#options;
    if (shared === null || this.#processes === 1) return null;
    const { requestsPerMinute, tokensPerMinute, requestsPerDay } = limits(bucket);
    if (tokensPerMinute !== null && tokens > tokensPerMinute / this.#processes) return "tokens_per_minute";
    // Where there are fewer than processes, the first of these have one each.
    const place = shared.remembered(bucket).place ?? 0;
    const isLate = (limit: number | null) => limit !== null && limit < this.#processes && place >= limit;
    if (isLate(requestsPerMinute)) return "requests_per_minute";
    return isLate(requestsPerDay) ? "requests_per_day" : null;
  }

  /** What this process counts as its own: the calls to itself, and of the day one part of as many as there are processes. */
  #shareOf({ own, grantedToday, dayEndsAt, blocked, allowance }: Remembered): Partial<Bucket> {
    return { grants: [...own], grantedToday: Math.ceil(grantedToday / this.#processes), dayEndsAt, blocked, allowance };
  }

  /** Everywhere: whoever counts next counts on with what is known here. */
  async #correct(ticket: string, work: (limits: RateLimits, ticket: string) => Promise<void>): Promise<void> {
    const { shared } = this.#options;
    const isOwn = ticket.startsWith(ownTicket);
    const remembered = isOwn ? ticket.slice(ownTicket.length) : ticket;
    // Granted by this counter, or by one before it.
    const names = isOwn ? [remembered.replace(/@.*$/, ""), remembered] : [remembered];
    if (this.#alone !== null) for (const name of names) await work(this.#alone, name);
    if (shared === null) return;
    const told = work(shared, remembered);
    // Redis may be away still, and is told with the call.
    await (isOwn ? told.catch(() => {}) : told);
  }

  async #beat(): Promise<void> {
    const { shared } = this.#options;
    const told = await this.#fromRedis((redis) => redis.beat(this.#stopping.signal).then(() => true));
    if (told === null && shared !== null) this.#goAlone();
    // Redis knew at least so many; whoever has come since is in the database.
    const counted = told === null ? this.#countLately() : 1;
    this.#processes = Math.max(counted, this.#remembered());
  }

  /** As many as there are, or have been within the last minute. */
  #countLately(): number {
    const { countProcesses, now } = this.#options;
    const at = now();
    this.#counts = [
      ...this.#counts.filter((one) => one.at > at - windowMs - heardMs),
      { at, processes: countProcesses() },
    ];
    return Math.max(...this.#counts.map(({ processes }) => processes));
  }

  /**
   * How many requests this process may make within a minute of losing Redis; null: as many as the limits allow, or there is no Redis. A process has
   * none until the others have made room for it, some beats after its start.
   */
  #requestsKept(): number | null {
    const { buckets, shared } = this.#options;
    const kept = buckets.map((bucket) => shared?.remembered(bucket).allowance?.requests ?? Number.POSITIVE_INFINITY);
    const least = Math.min(...kept);
    return Number.isFinite(least) ? least : null;
  }

  /** As many as Redis knew of. */
  #remembered(): number {
    const { buckets, shared } = this.#options;
    return Math.max(1, ...buckets.map((bucket) => shared?.remembered(bucket).processes ?? 1));
  }
}
