import { DiscordRefused } from "../discord/failures.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { untilAborted } from "../resilience/policies.ts";
import type { Heard, WireMessage } from "./dispatch.ts";
import { isFromPerson, isOurs, type Self } from "./envelopes.ts";

/** Where somebody waits for an answer. */
type Spot = Pick<Envelope, "guildId" | "conversationId">;

export interface UnattendedOptions {
  readonly self: () => Self;
  /** The one guild that is listened to; null: all. */
  readonly guildId: Snowflake | null;
  /** Of these messages: true, it waits to be taken up; false, it does not, or nobody asked the bot. Those that are not stored are left out. */
  readonly waits: (messageIds: readonly Snowflake[]) => Promise<ReadonlyMap<Snowflake, boolean>>;
  /** The messages that call the bot and wait to be taken up, at most so many, the oldest first. */
  readonly left: (most: number) => Promise<readonly (Spot & { readonly messageId: Snowflake })[]>;
  /** Rejects where the bot may not write. */
  readonly mustBeAllowed: (spot: Spot, signal: AbortSignal) => Promise<unknown>;
  /** Shows in this spot that the bot types. */
  readonly type: (spot: Spot, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

interface Waiting extends Spot {
  readonly heardAt: number;
  /** False: it may be that a role of the bot is called, which only the database knows. */
  readonly isCertain: boolean;
  wasShown: boolean;
  typesAt: number;
}

const lookEveryMs = 1_000;
/** Whoever takes a message up shows that by itself, and nearly always does so before this. */
const patienceMs = 4_000;
/** A database that takes longer to say what waits is as good as away. */
const askingMs = 2_000;
/** Discord shows the sign for 10 s. */
const typingEveryMs = 8_000;
const longestMs = 15 * 60_000;
/** What was not stored in this time, by a database that answers, never will be. */
const storedByMs = 60_000;
/** Of the 50 requests a second that Discord allows; who has not seen it yet comes first. */
const mostAtOnce = 10;
const mostWaiting = 10_000;
/** So long after somebody connects what waits is looked for: what was missed is fetched meanwhile. */
const lookingMs = 60_000;

/**
 * Sees to it that nobody who calls the bot meets silence: while nobody takes the message up, because all lanes are busy, no worker is there or
 * Postgres is away, the bot is seen typing. The one who takes it up shows everything else.
 */
export class Unattended {
  readonly #options: UnattendedOptions;
  readonly #waiting = new Map<Snowflake, Waiting>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looksUntil = 0;
  #isAsking = false;

  constructor(options: UnattendedOptions) {
    this.#options = options;
  }

  /** Others may have heard what waits, or nobody, so that it is fetched: both are looked for from now on, for a while. */
  connected(): void {
    if (this.#stopping.signal.aborted) return;
    this.#looksUntil = performance.now() + lookingMs;
    this.#timer ??= this.#lookLater();
  }

  /** Takes note of an event of the gateway. */
  heard(heard: Heard): void {
    if (heard.kind === "guild") this.connected();
    if (heard.kind === "deleted") for (const id of heard.messageIds) this.#waiting.delete(id);
    if (heard.kind !== "message" || this.#stopping.signal.aborted || this.#waiting.size >= mostWaiting) return;
    const { id, channel_id: conversationId, guild_id: guildId = null } = heard.message;
    const call = callOf(heard.message, this.#options);
    if (call === "none") return;
    const now = performance.now();
    const isCertain = call === "certain";
    this.#waiting.set(id, {
      guildId,
      conversationId,
      heardAt: now,
      isCertain,
      wasShown: false,
      typesAt: now + patienceMs,
    });
    this.#timer ??= this.#lookLater();
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  #lookLater(): NodeJS.Timeout {
    const look = () =>
      void this.#look().finally(() => {
        const isIdle = this.#waiting.size === 0 && performance.now() > this.#looksUntil;
        const isDone = isIdle || this.#stopping.signal.aborted;
        this.#timer = isDone ? undefined : this.#lookLater();
      });
    return setTimeout(look, lookEveryMs).unref();
  }

  async #look(): Promise<void> {
    const now = performance.now();
    for (const [id, { heardAt }] of this.#waiting) if (now - heardAt > longestMs) this.#waiting.delete(id);
    if (now <= this.#looksUntil) await this.#findLeft(now);
    const due = [...this.#waiting]
      .filter(([, one]) => one.typesAt <= now)
      .toSorted(([, a], [, b]) => Number(a.wasShown) - Number(b.wasShown) || a.typesAt - b.typesAt);
    if (due.length === 0) return;
    const known = await this.#ask(() => this.#options.waits(due.map(([id]) => id)));
    const spots = new Map<Snowflake, Waiting[]>();
    for (const [id, one] of due) {
      const waits =
        known === null ? one.isCertain : (known.get(id) ?? (one.isCertain && now - one.heardAt < storedByMs));
      if (waits) spots.set(one.conversationId, [...(spots.get(one.conversationId) ?? []), one]);
      else if (known !== null) this.#waiting.delete(id);
    }
    // Not waited for: one that hangs must not hold up the others.
    for (const those of [...spots.values()].slice(0, mostAtOnce)) void this.#type(those, known !== null);
  }

  async #findLeft(now: number): Promise<void> {
    const left = (await this.#ask(() => this.#options.left(mostWaiting - this.#waiting.size))) ?? [];
    for (const { messageId, guildId, conversationId } of left) {
      if (this.#waiting.has(messageId)) continue;
      const times = { heardAt: now, typesAt: now + patienceMs };
      this.#waiting.set(messageId, { guildId, conversationId, ...times, isCertain: true, wasShown: false });
    }
  }

  /** Null while the database is away, and nobody knows. */
  async #ask<T>(question: () => Promise<T>): Promise<T | null> {
    if (this.#isAsking) return null;
    const asking = question();
    this.#isAsking = true;
    const done = () => {
      this.#isAsking = false;
    };
    void asking.then(done, done);
    return await untilAborted(asking, AbortSignal.timeout(askingMs)).catch(() => null);
  }

  /** Once for all that wait in one place. */
  async #type(those: readonly Waiting[], mayLook: boolean): Promise<void> {
    const { mustBeAllowed, type } = this.#options;
    const [spot] = those;
    if (spot === undefined || this.#stopping.signal.aborted) return;
    for (const one of those) Object.assign(one, { wasShown: true, typesAt: performance.now() + typingEveryMs });
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(typingEveryMs)]);
    try {
      if (mayLook) await untilAborted(mustBeAllowed(spot, signal), signal);
      await type(spot, signal);
    } catch (error) {
      // Each further try would count against us.
      if (error instanceof DiscordRefused) for (const one of those) one.typesAt = Number.POSITIVE_INFINITY;
      const reason = asError(error).message;
      this.#options.log.debug({ component: "gateway", reason }, "who waits could not be told so");
    }
  }
}

function callOf(message: WireMessage, { self: who, guildId }: UnattendedOptions): "certain" | "perhaps" | "none" {
  const self = who();
  if (!isFromPerson(message, self)) return "none";
  if (message.guild_id === undefined) return "certain";
  if (guildId !== null && message.guild_id !== guildId) return "none";
  const called = [
    ...(message.mentions ?? []),
    ...(message.referenced_message ? [message.referenced_message.author] : []),
  ];
  if (called.some(({ id }) => isOurs(id, self))) return "certain";
  return (message.mention_roles ?? []).length > 0 ? "perhaps" : "none";
}
