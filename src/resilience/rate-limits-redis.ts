import { randomUUID } from "node:crypto";
import type { Cache } from "../connections/redis.ts";
import type { Priority } from "../envelope.ts";
import { limitsFor, makeForecast, type Bucket, type Grant, type Reason } from "./forecast.ts";
import { windowMs } from "./rate-limits-in-process.ts";
import { nextPacificMidnight } from "./pacific-day.ts";
import type { Answer, Ask, Limits, RateLimits } from "./rate-limits.ts";
import {
  arrivedScript,
  blockScript,
  endScript,
  leaveScript,
  recallScript,
  settleScript,
  takeScript,
} from "./rate-limits-scripts.ts";

/** What a process remembers of the shared counters, to go on by itself when they are gone. */
export interface Remembered {
  /** How many processes count together; at least 1. */
  readonly processes: number;
  /** Everybody's calls that still count as far as they are known, oldest first, by this process's own clock. */
  readonly grants: readonly Grant[];
  /** Those of this process: all of them. */
  readonly own: readonly Grant[];
}

/** Rate limits that processes share. */
export interface SharedRateLimits extends RateLimits {
  /** Says that this process lives, brings what was granted without Redis, and looks at the counters. */
  beat(signal: AbortSignal): Promise<void>;
  /** What this process was granted without Redis, to be told to it as soon as it is back. */
  remember(bucket: string, grant: Grant): void;
  /** What is known of a bucket; asking for one makes `beat` look at it. */
  remembered(bucket: string): Remembered;
  /** This process ends: its share is the others'. */
  end(): Promise<void>;
}

export interface SharedRateLimitsOptions {
  readonly cache: Cache;
  readonly limits: (bucket: string) => Limits;
  readonly now: () => number;
  /** How long nothing is granted after the counters were lost, so that everybody can bring what they remember; two beats when left out. */
  readonly recallMs?: number;
}

/** How long a silent process may be counting for itself. */
const silentMs = 60_000;
/** A caller asks again at least this often; who does not is forgotten after twice as long. */
const askAgainMs = 4_000;
/** Who could go but for somebody before it looks again after this time. */
const sociableMs = 50;
/** A process says this often that it lives; a silent one may count for itself, and is counted in for a minute. */
export const beatMs = 1_500;
const livingMs = 5_000;

const ranks: Readonly<Record<Priority, number>> = { mention: 0, reply: 1, ambient: 2, background: 3 };

/** What one process knows of one bucket. */
interface Mirror {
  epoch: string;
  /** Redis's clock minus ours. */
  aheadMs: number;
  processes: number;
  all: readonly Grant[];
  /** Granted to this process, by Redis's clock, while they count. */
  own: Grant[];
  /** Granted to this process since midnight in California. */
  ownToday: number;
  dayEndsAt: number;
  /** The epoch that knows of what this process was granted, but for what it was granted without Redis. */
  toldEpoch: string;
  untold: number;
}

type Told =
  | { readonly kind: "granted"; readonly ticket: string; readonly at: number }
  | {
      readonly kind: "refused";
      readonly bucket: Bucket;
      readonly ahead: number;
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
    this.#recallMs = options.recallMs ?? 2 * beatMs;
  }

  async take(ask: Ask): Promise<Answer> {
    const told = await this.#ask(ask, "take");
    if (told.kind === "granted") {
      this.#waiting.delete(ask.id);
      this.#keep(ask.bucket, { ticket: told.ticket, at: told.at, tokens: ask.tokens });
      return { granted: true, ticket: told.ticket };
    }
    this.#waiting.add(ask.id);
    const { at, reason } = this.#forecast(ask, told, told.ahead);
    const soonest = told.ahead > 0 ? sociableMs : 1;
    return { granted: false, retryInMs: Math.min(askAgainMs, Math.max(soonest, at - told.nowMs)), reason };
  }

  async estimateMs(ask: Ask, ahead: number): Promise<number> {
    const told = await this.#ask(ask, "look");
    if (told.kind === "granted") return 0;
    this.#waiting.add(ask.id);
    return Math.max(0, this.#forecast(ask, told, Math.max(ahead, told.ahead)).at - told.nowMs);
  }

  async arrived(bucket: string, ticket: string): Promise<void> {
    await this.#run(arrivedScript, bucket, [ticket]);
    const grant = this.#mirror(bucket).own.find((one) => one.ticket === ticket);
    if (grant !== undefined) grant.at = this.#options.now() + this.#mirror(bucket).aheadMs;
  }

  async settle(bucket: string, ticket: string, tokens: number): Promise<void> {
    const grant = this.#mirror(bucket).own.find((one) => one.ticket === ticket);
    if (grant !== undefined) grant.tokens = tokens;
    await this.#run(settleScript, bucket, [ticket, tokens]);
  }

  async block(bucket: string, untilMs: number, reason: Reason): Promise<void> {
    await this.#run(blockScript, bucket, [Math.max(0, untilMs - this.#options.now()), reason]);
  }

  async leave(ask: Ask): Promise<void> {
    if (this.#waiting.delete(ask.id)) await this.#run(leaveScript, ask.bucket, [ask.id]).catch(() => {});
  }

  async beat(signal: AbortSignal): Promise<void> {
    for (const bucket of this.#mirrors.keys()) {
      if (signal.aborted) return;
      await this.#ask({ id: "", bucket, tokens: 0, priority: "mention" }, "look");
    }
  }

  remember(bucket: string, grant: Grant): void {
    const mirror = this.#mirror(bucket);
    this.#keep(bucket, { ...grant, ticket: `${this.#process} ${grant.ticket}`, at: grant.at + mirror.aheadMs });
    mirror.untold += 1;
  }

  remembered(bucket: string): Remembered {
    const { processes, all, own, aheadMs } = this.#mirror(bucket);
    const isElsewhere = ({ at }: Grant) => !own.some((one) => one.at === at);
    const byOurClock = (grants: readonly Grant[]) => grants.map((grant) => ({ ...grant, at: grant.at - aheadMs }));
    const grants = byOurClock([...all.filter(isElsewhere), ...own]).sort((a, b) => a.at - b.at);
    return { processes, grants, own: byOurClock(own) };
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
    if (mirror.untold > 0 || mirror.toldEpoch !== mirror.epoch) await this.#recall(ask.bucket);
    const { requestsPerMinute, tokensPerMinute, requestsPerDay } = this.#limitsOf(ask);
    const answer = await this.#run(takeScript, ask.bucket, [
      this.#process,
      mirror.epoch,
      windowMs,
      nextPacificMidnight(this.#options.now() + mirror.aheadMs),
      ask.id,
      ranks[ask.priority],
      2 * askAgainMs,
      mode,
      ask.tokens,
      requestsPerMinute ?? -1,
      tokensPerMinute ?? -1,
      requestsPerDay ?? -1,
      silentMs,
      livingMs,
      randomUUID(),
      this.#recallMs,
    ]);
    const [what, nowMs, known, ...rest] = answer as [string, number, number, ...(string | number)[]];
    mirror.aheadMs = nowMs - this.#options.now();
    mirror.processes = Math.max(1, known);
    if (what === "stranger") {
      mirror.epoch = String(rest[0]);
      return this.#ask(ask, mode);
    }
    if (what === "granted") return { kind: "granted", ticket: String(rest[0]), at: nowMs };
    const [untilMs = 0, reason, day, today, ahead, living, ...flat] = rest;
    const grants: Grant[] = [];
    for (let i = 0; i < flat.length; i += 2)
      grants.push({ ticket: `other ${i}`, at: Number(flat[i]), tokens: Number(flat[i + 1]) });
    mirror.all = grants;
    const blocked = Number(untilMs) > nowMs ? { untilMs: Number(untilMs), reason: reason as Reason } : null;
    const bucket = { grants, dayEndsAt: Number(day), grantedToday: Number(today), blocked };
    return { kind: "refused", bucket, ahead: Number(ahead), nowMs, share: Number(living) / mirror.processes };
  }

  /** Tells Redis what this process was granted, which it may not know: it was away, or was emptied. Telling it again changes nothing. */
  async #recall(bucket: string): Promise<void> {
    const mirror = this.#mirror(bucket);
    const now = this.#options.now() + mirror.aheadMs;
    const counting = mirror.own.filter(({ at }) => at + windowMs > now);
    // What counts in no minute any more counts for the day; Redis knows of it unless it was emptied.
    const older = mirror.toldEpoch === mirror.epoch ? 0 : mirror.ownToday - counting.length;
    const told = counting.flatMap(({ ticket, at, tokens }) => [ticket, Math.round(at), tokens]);
    const { epoch, untold } = mirror;
    await this.#run(recallScript, bucket, [this.#process, epoch, this.#recallMs, Math.max(0, older), ...told]);
    mirror.toldEpoch = epoch;
    mirror.untold -= untold;
  }

  #keep(bucket: string, grant: Grant): void {
    const mirror = this.#mirror(bucket);
    if (grant.at >= mirror.dayEndsAt) {
      mirror.dayEndsAt = nextPacificMidnight(grant.at);
      mirror.ownToday = 0;
    }
    mirror.own = [...mirror.own.filter(({ at }) => at + windowMs > grant.at), grant];
    mirror.ownToday += 1;
  }

  #mirror(bucket: string): Mirror {
    let mirror = this.#mirrors.get(bucket);
    if (mirror === undefined) {
      mirror = {
        epoch: "",
        aheadMs: 0,
        processes: 1,
        all: [],
        own: [],
        ownToday: 0,
        dayEndsAt: 0,
        toldEpoch: "",
        untold: 0,
      };
      this.#mirrors.set(bucket, mirror);
    }
    return mirror;
  }

  #run(script: Parameters<Cache["run"]>[0], bucket: string, args: readonly (string | number)[]): Promise<unknown> {
    const keys = ["grants", "tokens", "meta", "waiting", "alive"].map(
      (part) => `discord-agent:limits:${bucket}:${part}`,
    );
    return this.#options.cache.run(script, [...keys, membersKey], args);
  }
}

const membersKey = "discord-agent:limits:members";
