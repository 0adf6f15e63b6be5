import type { Desk, ModerationDesk, PrivacyDesk } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { untilAborted } from "../resilience/policies.ts";
import { readQuestion, suggestAgents } from "./ask.ts";
import { readPress, type Press } from "./buttons.ts";
import { forgetFor, makeConsent } from "./consent.ts";
import { noteFeedback } from "./feedback.ts";
import { makeInformation, why, type Deed } from "./information.ts";
import { readAsking, type Asking, type WireInteraction } from "./interaction.ts";
import { makeModeration } from "./moderation.ts";
import { phrase } from "./phrases.ts";
import type { Places, Where } from "./places.ts";
import { makeReplies, type Replies } from "./replies.ts";
import type { DiscordRest } from "./rest.ts";

export interface InteractionsOptions {
  readonly rest: DiscordRest;
  readonly sql: Sql;
  readonly places: Places;
  readonly desk: Desk & PrivacyDesk & ModerationDesk;
  /** The bot's own user. */
  readonly self: () => Snowflake;
  /** The one guild that is served; null: all. */
  readonly guildId: Snowflake | null;
  readonly maxMessageChars: number;
  /** What a person is told to quote about what went wrong with an interaction. */
  readonly referenceOf: (id: Snowflake) => string;
  readonly log: Logger;
}

/** The desk of Discord: slash commands, menus and buttons. */
export interface Interactions {
  /** Gives the first response, for which Discord allows three seconds. Returns at once and never throws. */
  begin(interaction: WireInteraction): void;
  /**
   * Answers it, or resolves to the message that a question becomes. Rejects only when it must come again: a question that could not be read yet, or
   * `signal` aborted. Twice is as good as once.
   */
  answer(interaction: WireInteraction, where: () => Promise<Where>, signal: AbortSignal): Promise<Envelope | null>;
}

const firstResponseMs = 2_900;
const deadlineMs = 10_000;
/** First responses that nobody asked about yet; an event that is never stored leaves one behind. */
const mostBegun = 1_000;

type Place = () => Promise<Where>;
type PressDeed = (asking: Asking, pressed: Press, where: Place, signal: AbortSignal) => Promise<void>;

/** Builds the desk; nothing is opened. */
export function makeInteractions(options: InteractionsOptions): Interactions {
  return new DiscordDesk(options);
}

class DiscordDesk implements Interactions {
  readonly #options: InteractionsOptions;
  readonly #replies: Replies;
  readonly #deeds: Readonly<Record<string, Deed>>;
  readonly #presses: Readonly<Record<Press["deed"], PressDeed>>;
  readonly #begun = new Map<Snowflake, Promise<boolean>>();

  constructor(options: InteractionsOptions) {
    this.#options = options;
    this.#replies = makeReplies(options.rest, options.log);
    this.#deeds = { ...makeInformation(options), ...makeConsent(options), ...makeModeration(options) };
    this.#presses = {
      up: (asking, _pressed, _where, signal) => this.#rate(asking, 1, signal),
      down: (asking, _pressed, _where, signal) => this.#rate(asking, -1, signal),
      why: async (asking, _pressed, _where, signal) =>
        this.#replies.whisper(asking, await why(options, asking, asking.target, signal), signal),
      keep: (asking, _pressed, _where, signal) =>
        this.#replies.fill(asking, { text: phrase(asking.locale, "forget.kept") }, signal),
      forget: async (asking, { rest: what }, _where, signal) =>
        this.#replies.fill(asking, await forgetFor(options, asking, what), signal),
    };
  }

  begin(interaction: WireInteraction): void {
    const asking = readAsking(interaction);
    if (asking === null) return;
    const [oldest] = this.#begun.keys();
    if (this.#begun.size >= mostBegun && oldest !== undefined) this.#begun.delete(oldest);
    this.#begun.set(asking.id, this.#respond(asking));
  }

  async answer(interaction: WireInteraction, where: Place, signal: AbortSignal): Promise<Envelope | null> {
    const asking = readAsking(interaction);
    if (asking === null) return null;
    const begun = this.#begun.get(asking.id) ?? Promise.resolve(true);
    this.#begun.delete(asking.id);
    const isInTime = await begun;
    if (asking.kind === "autocomplete" || this.#isForeign(asking)) return null;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
    // Not given up by this clock: what it waits for gives up by itself, and says that it is worth another try.
    if (asking.kind === "command" && asking.what === "ask") return this.#ask(asking, where, patience);
    // Nobody sees an answer to what Discord has given up on.
    if (!isInTime) return null;
    try {
      await untilAborted(this.#act(asking, where, patience), patience);
    } catch (error) {
      if (signal.aborted) throw error;
      await this.#fail(asking, asError(error), signal);
    }
    return null;
  }

  #isForeign({ guildId }: Asking): boolean {
    return this.#options.guildId !== null && guildId !== null && guildId !== this.#options.guildId;
  }

  async #respond(asking: Asking): Promise<boolean> {
    const signal = AbortSignal.timeout(firstResponseMs);
    if (asking.kind === "autocomplete")
      return this.#replies.suggest(asking, suggestAgents(this.#options.desk, asking.typed), signal);
    if (this.#isForeign(asking)) return this.#replies.refuse(asking, phrase(asking.locale, "error.elsewhere"), signal);
    if (asking.kind === "button") return this.#replies.defer(asking, "unseen", signal);
    return this.#replies.defer(asking, asking.what === "ask" ? "public" : "private", signal);
  }

  async #ask(asking: Asking, where: Place, signal: AbortSignal): Promise<Envelope | null> {
    const question = await readQuestion(asking, await where(), this.#options);
    if (question.kind === "taken") return question.envelope;
    // The promised place is for everyone to see; a refusal is not.
    await this.#replies.withdraw(asking, signal);
    await this.#replies.whisper(asking, question, signal);
    return null;
  }

  async #act(asking: Asking, where: Place, signal: AbortSignal): Promise<void> {
    if (asking.kind === "button") {
      const pressed = readPress(asking.what);
      if (pressed !== null) await this.#presses[pressed.deed](asking, pressed, where, signal);
      return;
    }
    const deed = Object.hasOwn(this.#deeds, asking.what) ? this.#deeds[asking.what] : undefined;
    if (deed === undefined) throw new Error("nobody carries out this command: is it one of an older version?");
    await this.#replies.fill(asking, await deed(asking, where, signal), signal);
  }

  async #rate(asking: Asking, value: 1 | -1, signal: AbortSignal): Promise<void> {
    const { locale, asker, target } = asking;
    if (target !== null) await noteFeedback(this.#options.sql, { spokenId: target, userId: asker.id, value });
    await this.#replies.whisper(asking, { text: phrase(locale, "feedback.kept") }, signal);
  }

  async #fail(asking: Asking, error: Error, signal: AbortSignal): Promise<void> {
    const { log, referenceOf } = this.#options;
    const reference = referenceOf(asking.id);
    const command = asking.kind === "button" ? "button" : asking.what;
    log.error({ err: error, component: "discord", command, reference }, "a command failed");
    const shown = { text: phrase(asking.locale, "error.unknown", { reference }) };
    const patience = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs / 2)]);
    const saying =
      asking.kind === "button"
        ? this.#replies.whisper(asking, shown, patience)
        : this.#replies.fill(asking, shown, patience);
    await saying.catch((lost: Error) =>
      log.warn({ component: "discord", reason: lost.message }, "nobody could be told that a command failed"),
    );
  }
}
