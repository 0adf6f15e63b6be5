import type { Attached, Chat, Progress, Reply } from "../chat/chat.ts";
import type { Outcome } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import { snowflakeAt, type Envelope, type Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { pause } from "../resilience/policies.ts";
import { mustBeAllowed } from "./allowed.ts";
import { readAttachments } from "./attachments.ts";
import { makeClosedPlaces } from "./closed-places.ts";
import { DiscordRefused, isUnauthorized } from "./failures.ts";
import { findSpoken } from "./history.ts";
import { breakPromise } from "./ignored.ts";
import { localeOf, phrase } from "./phrases.ts";
import type { Places } from "./places.ts";
import { bringAbout, takeBack, type Content } from "./post.ts";
import { ProgressShow } from "./progress.ts";
import { splitText } from "./split.ts";
import { dropSpoken, readSpoken } from "./spoken.ts";
import { typeIn, type Voice, type Voices } from "./voices.ts";
import { referenceLine, type Webhooks } from "./webhooks.ts";

export interface SpeakerOptions {
  readonly sql: Sql;
  readonly voices: Voices;
  readonly webhooks: Webhooks;
  readonly places: Places;
  /** What was decided about a message, by whichever process; null as long as it is thought about. */
  readonly outcomeOf: (messageId: Snowflake) => Promise<Outcome | null>;
  /** Messages from this one on that were deleted before their answer, and for which something still stands. */
  readonly leftBehind: (since: Snowflake) => Promise<readonly Snowflake[]>;
  /** What stands under an answer: buttons, in Discord's form. */
  readonly buttonsUnder: (reply: Reply) => readonly unknown[];
  readonly apiUrl: string;
  readonly log: Logger;
}

/** Speaks on Discord, each agent with its own voice where it has one. */
export interface Speaker extends Chat {
  /** These messages are gone: stops typing for them, and takes back what was said while they waited. */
  revoke(messageIds: readonly Snowflake[]): void;
}

/** Builds the mouth of the bot; nothing is opened. */
export function makeSpeaker(options: SpeakerOptions): Speaker {
  return new DiscordSpeaker(options);
}

class DiscordSpeaker implements Speaker {
  readonly name = "speaker";
  readonly #options: SpeakerOptions;
  readonly #progress: ProgressShow;
  readonly #closed = makeClosedPlaces();
  #looking: NodeJS.Timeout | undefined;
  readonly #speaking = new Map<Snowflake, { readonly envelope: Envelope; readonly ended: Promise<void> }>();

  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#progress = new ProgressShow({
      say: (envelope, agent, text, signal) => this.#sayMeanwhile(envelope, agent, text, signal),
      restore: (envelope, unless) => this.#restoreAnswer(envelope, unless),
      type: (envelope, agent, signal) => this.#type(envelope, agent, signal),
      isOver: async (messageId) => (await options.outcomeOf(messageId)) !== null,
      log: options.log,
    });
  }

  /** What was said for messages that were deleted while nobody was there, or Discord was not, is taken back. */
  async start(): Promise<void> {
    const lookBack = async () => {
      const since = snowflakeAt(this.#options.voices.reception().rest.now() - leftBehindMs);
      this.revoke(await this.#options.leftBehind(since));
    };
    const look = () =>
      void lookBack().catch((error: unknown) =>
        this.#options.log.warn(
          { component: "discord", reason: asError(error).message },
          "a notice could not be taken back",
        ),
      );
    look();
    this.#looking = setInterval(look, lookBackEveryMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#looking);
    await this.#progress.stop();
  }

  read({ attachments = [] }: Envelope, signal: AbortSignal): Promise<readonly Attached[]> {
    return readAttachments(attachments, this.#options, signal);
  }

  show(envelope: Envelope, step: Progress): void {
    this.#progress.show(envelope, step);
    const { voices, log } = this.#options;
    if (step.kind === "ignored") void breakPromise(envelope, step.reason, { rest: voices.reception().rest, log });
  }

  async speak(reply: Reply, signal: AbortSignal): Promise<void> {
    const { envelope } = reply;
    const spoken = this.#speakOut(reply, signal);
    const speaking = { envelope, ended: spoken.catch(() => {}) };
    this.#speaking.set(envelope.messageId, speaking);
    try {
      await spoken;
    } finally {
      if (this.#speaking.get(envelope.messageId) === speaking) this.#speaking.delete(envelope.messageId);
    }
  }

  async #speakOut(reply: Reply, signal: AbortSignal): Promise<void> {
    await this.#progress.finish(reply.envelope.messageId);
    await this.#showAnswer(reply, signal);
  }

  async #showAnswer(reply: Reply, signal: AbortSignal): Promise<void> {
    const { voices, places, log } = this.#options;
    const { envelope, agent } = reply;
    const mayAttach = await mustBeAllowed(envelope, voices.reception(), places, signal);
    const [first, fallback] = await this.#voicesFor(agent.name, envelope, signal);
    if (first === undefined) return;
    try {
      await this.#speakAs(first, reply, mayAttach, signal);
    } catch (error) {
      if (fallback === undefined || !isVoiceless(error, first)) throw error;
      this.#closed.note(first, envelope.conversationId);
      const reason = asError(error).message;
      log.warn({ component: "discord", agent: agent.name, reason }, "the reception speaks for an agent");
      await this.#speakAs(fallback, reply, mayAttach, signal);
    }
  }

  /** A bot of its own, or else a webhook, and the reception where these may not speak. */
  async #voicesFor(agent: string, envelope: Envelope, signal: AbortSignal): Promise<readonly Voice[]> {
    const own = this.#botsFor(agent, envelope);
    if (own.length > 1) return own;
    const webhook = await this.#options.webhooks.voiceOf(agent, envelope, signal);
    return webhook === null ? own : [webhook, ...own];
  }

  /** A direct conversation has room for the one bot that was written to. */
  #botsFor(agent: string, { guildId, conversationId, interactionToken }: Envelope): readonly Voice[] {
    const { voices } = this.#options;
    if (guildId === null || interactionToken) return [voices.reception()];
    const [own, ...rest] = voices.of(agent);
    return own === undefined || this.#closed.has(own, conversationId) ? rest : [own, ...rest];
  }

  revoke(messageIds: readonly Snowflake[]): void {
    for (const messageId of messageIds) {
      void this.#takeBackNotice(messageId).catch((error: Error) =>
        this.#options.log.warn({ component: "discord", reason: error.message }, "a notice could not be taken back"),
      );
    }
  }

  async #speakAs(voice: Voice, reply: Reply, mayAttach: boolean, signal: AbortSignal): Promise<void> {
    const { sql, outcomeOf, buttonsUnder } = this.#options;
    const { envelope, agent, redelivered } = reply;
    const contents = contentsOf(reply, headOf(voice, reply), mayAttach);
    const last = contents.at(-1);
    const dressed =
      last === undefined ? contents : [...contents.slice(0, -1), { ...last, components: buttonsUnder(reply) }];
    const all = await this.#all(envelope, signal);
    // Another process may have given this answer while this one stood still.
    const mayReplace = async () => (await outcomeOf(envelope.messageId))?.isDecided !== true;
    const how = { sql, voice, all, agent: agent.name, maybeThere: redelivered, mayReplace };
    await bringAbout(how, envelope, dressed, signal);
  }

  async #sayMeanwhile(envelope: Envelope, agent: string, text: string, signal: AbortSignal): Promise<void> {
    const { sql, voices, places } = this.#options;
    const [voice] = this.#botsFor(agent, envelope);
    if (voice === undefined) return;
    await mustBeAllowed(envelope, voices.reception(), places, signal);
    const how = {
      sql,
      voice,
      all: await this.#all(envelope, signal),
      agent,
      maybeThere: false,
      mayReplace: async () => false,
    };
    const [part = ""] = splitText(text).parts;
    await bringAbout(how, envelope, [{ text: part, file: null, components: [] }], signal);
  }

  /**
   * What was just said may have stood still on its way, and come after the answer of another process, in its place. That process may still be at it:
   * then its end is waited for, unless it is this one that speaks.
   */
  async #restoreAnswer(envelope: Envelope, unless: AbortSignal): Promise<void> {
    for (let looks = 0; looks === 0 || (looks < mostLooks && !unless.aborted); looks += 1) {
      try {
        const outcome = await this.#options.outcomeOf(envelope.messageId);
        if (outcome === null) return;
        if (outcome.isDecided) return await this.#showAgain(envelope, outcome);
      } catch (error) {
        if (error instanceof DiscordRefused) throw error;
        this.#options.log.warn(
          { component: "discord", reason: asError(error).message },
          "an answer is not restored yet",
        );
      }
      await pause(lookEveryMs, unless).catch(() => {});
    }
  }

  async #showAgain(envelope: Envelope, { answer }: Outcome): Promise<void> {
    if (answer === null) return;
    const { agent: name, agentDisplayName: displayName } = answer.receipt;
    const reply = { envelope, agent: { name, displayName }, ...answer, redelivered: true };
    await this.#showAnswer(reply, AbortSignal.timeout(20_000));
  }

  async #all(envelope: Envelope, signal: AbortSignal): Promise<readonly Voice[]> {
    const { voices, webhooks } = this.#options;
    return [...voices.all(), ...(await webhooks.here(envelope, signal))];
  }

  async #type(envelope: Envelope, agent: string, signal: AbortSignal): Promise<void> {
    const { voices, places } = this.#options;
    const { conversationId } = envelope;
    const [voice] = this.#botsFor(agent, envelope);
    if (voice === undefined) return;
    await mustBeAllowed(envelope, voices.reception(), places, signal);
    await typeIn(conversationId, voice, signal).catch((error: unknown) => {
      if (isVoiceless(error, voice)) this.#closed.note(voice, conversationId);
      throw error;
    });
  }

  async #takeBackNotice(messageId: Snowflake): Promise<void> {
    const { sql, voices } = this.#options;
    const speaking = this.#speaking.get(messageId);
    const shown = await this.#progress.finish(messageId);
    await speaking?.ended;
    const signal = AbortSignal.timeout(20_000);
    const envelope = speaking?.envelope ?? shown;
    // What was under way when it was broken off may have arrived all the same.
    const all = envelope === null ? voices.all() : await this.#all(envelope, signal);
    const how = { sql, voice: voices.reception(), all, texts: [] };
    const found = envelope === null ? [] : await findSpoken(how, envelope, signal);
    for (const part of [...(await readSpoken(sql, messageId)), ...found]) {
      const voice = all.find(({ userId }) => userId === part.voiceId);
      if (voice !== undefined) await takeBack(part, voice, signal);
    }
    await dropSpoken(sql, messageId, 0);
  }
}

/** Nothing waits longer for its answer than until the next day's quota. */
const leftBehindMs = 2 * 24 * 3_600_000;
const lookBackEveryMs = 10 * 60_000;

/** How often, and how many times, it is looked whether the answer of another process is given. */
const lookEveryMs = 1_000;
const mostLooks = 60;

const mostParts = 5;
const longestPart = 2_000;

/** What stands before an answer: the reception names the agent it speaks for; a webhook, which cannot reply, says whom it answers. */
function headOf(voice: Voice, { agent, envelope, text }: Reply): string {
  if (voice.webhook !== null) return `${referenceLine(envelope)}\n`;
  if (voice.agent === agent.name) return "";
  const isBlock = /^(?:```|~~~|#|[-*>|]|\d+\.)/.test(text);
  return `**${agent.displayName}:**${isBlock ? "\n" : " "}`;
}

/** The messages that an answer becomes. */
function contentsOf({ text, envelope }: Reply, head: string, mayAttach: boolean): readonly Content[] {
  const whole = `${head}${text}`;
  const { parts, file } = splitText(whole, { limit: longestPart, parts: mostParts });
  if (file === null) return parts.map((part) => ({ text: part, file: null, components: [] }));
  const locale = localeOf(envelope.locale);
  const note = mayAttach
    ? phrase(locale, "answer.as-file")
    : phrase(locale, "answer.cut", { permission: phrase(locale, "permission.files") });
  const limit = longestPart - note.length - 2;
  const some = splitText(whole, { limit, parts: Infinity }).parts.slice(0, mayAttach ? 1 : mostParts);
  return some.map((part, index) => {
    const isLast = index === some.length - 1;
    return { text: isLast ? `${part}\n\n${note}` : part, file: isLast && mayAttach ? text : null, components: [] };
  });
}

/** A voice that may not write here, or not at all; a webhook may also be gone, or be refused the agent's name. */
function isVoiceless(error: unknown, { webhook }: Voice): boolean {
  if (error instanceof DiscordRefused) return webhook !== null || [50_001, 50_013, 10_003].includes(error.reason);
  return isUnauthorized(error);
}
