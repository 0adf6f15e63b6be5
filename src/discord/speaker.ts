import type { Attached, Chat, Progress, Reply } from "../chat/chat.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { permission, permissionsIn } from "./permissions.ts";
import type { Places } from "./places.ts";
import { readAttachments } from "./attachments.ts";
import { bringAbout, takeBack, type Content } from "./post.ts";
import { ProgressShow } from "./progress.ts";
import { DiscordRefused } from "./rest.ts";
import { splitText } from "./split.ts";
import { dropSpoken, readSpoken } from "./spoken.ts";
import type { Voice, Voices } from "./voices.ts";

export interface SpeakerOptions {
  readonly sql: Sql;
  readonly voices: Voices;
  readonly places: Places;
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

  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#progress = new ProgressShow({
      say: (envelope, agent, text, signal) => this.#sayMeanwhile(envelope, agent, text, signal),
      type: (envelope, agent, signal) => this.#type(envelope, agent, signal),
      log: options.log,
    });
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#progress.stop();
  }

  read({ attachments = [] }: Envelope, signal: AbortSignal): Promise<readonly Attached[]> {
    return readAttachments(attachments, this.#options, signal);
  }

  show(envelope: Envelope, step: Progress): void {
    this.#progress.show(envelope, step);
  }

  async speak(reply: Reply, signal: AbortSignal): Promise<void> {
    const { voices, places, log } = this.#options;
    const { envelope, agent } = reply;
    await this.#progress.finish(envelope.messageId);
    await mustBeAllowed(envelope, voices.reception(), places);
    const [first, fallback] = envelope.interactionToken ? [voices.reception()] : voices.of(agent.name);
    if (first === undefined) return;
    try {
      await this.#speakAs(first, reply, signal);
    } catch (error) {
      if (fallback === undefined || !isVoiceless(error)) throw error;
      const reason = asError(error).message;
      log.warn({ component: "discord", agent: agent.name, reason }, "the reception speaks for an agent");
      await this.#speakAs(fallback, reply, signal);
    }
  }

  revoke(messageIds: readonly Snowflake[]): void {
    for (const messageId of messageIds) {
      void this.#takeBackNotice(messageId).catch((error: Error) =>
        this.#options.log.warn({ component: "discord", reason: error.message }, "a notice could not be taken back"),
      );
    }
  }

  async #speakAs(voice: Voice, reply: Reply, signal: AbortSignal): Promise<void> {
    const { sql, voices, buttonsUnder } = this.#options;
    const { envelope, agent, text, redelivered } = reply;
    const contents = contentsOf(text, voice.agent === agent.name ? null : agent);
    const last = contents.at(-1);
    const dressed =
      last === undefined ? contents : [...contents.slice(0, -1), { ...last, components: buttonsUnder(reply) }];
    const how = { sql, voice, all: voices.all(), agent: agent.name, maybeThere: redelivered };
    await bringAbout(how, envelope, dressed, signal);
  }

  async #sayMeanwhile(envelope: Envelope, agent: string, text: string, signal: AbortSignal): Promise<void> {
    const { sql, voices } = this.#options;
    const [voice] = envelope.interactionToken ? [voices.reception()] : voices.of(agent);
    if (voice === undefined) return;
    const how = { sql, voice, all: voices.all(), agent, maybeThere: false };
    await bringAbout(how, envelope, contentsOf(text, null).slice(0, 1), signal);
  }

  async #type(envelope: Envelope, agent: string, signal: AbortSignal): Promise<void> {
    const [voice] = this.#options.voices.of(agent);
    const path = `/channels/${envelope.conversationId}/typing` as const;
    await voice?.rest.call({ method: "POST", path, repeatable: false }, signal);
  }

  async #takeBackNotice(messageId: Snowflake): Promise<void> {
    const { sql, voices } = this.#options;
    await this.#progress.finish(messageId);
    const signal = AbortSignal.timeout(20_000);
    for (const part of await readSpoken(sql, messageId)) {
      const voice = voices.all().find(({ userId }) => userId === part.voiceId);
      if (voice !== undefined) await takeBack(part, voice, signal);
    }
    await dropSpoken(sql, messageId, 0);
  }
}

/** The messages that an answer becomes. The reception names the agent it speaks for; a voice of the agent's own needs no name. */
function contentsOf(text: string, agent: Reply["agent"] | null): readonly Content[] {
  const isBlock = /^(?:```|~~~|#|[-*>|]|\d+\.)/.test(text);
  const whole = agent === null ? text : `**${agent.displayName}:**${isBlock ? "\n" : " "}${text}`;
  const { parts, file } = splitText(whole);
  return parts.map((part, index) => ({
    text: part,
    file: file !== null && index === parts.length - 1 ? text : null,
    components: [],
  }));
}

/** A voice that may not write here, or not at all. */
function isVoiceless(error: unknown): boolean {
  if (error instanceof DiscordRefused) return [50_001, 50_013, 10_003].includes(error.reason);
  return error instanceof ForeseenError && error.code === "discord_unauthorized";
}

/** Looks before it speaks: a request that Discord refuses counts against us. What is not known yet is waited for, not tried. */
async function mustBeAllowed(envelope: Envelope, reception: Voice, places: Places): Promise<void> {
  if (envelope.guildId === null || envelope.interactionToken) return;
  const place = await places.of(envelope.guildId);
  if (place === null || !place.guild.channels.has(envelope.conversationId)) {
    places.changed(envelope.guildId);
    throw new ForeseenError("discord_place_unknown", "the channel is not known yet", { kind: "retry", afterMs: 2_000 });
  }
  const bits = permissionsIn(place.guild, envelope.conversationId, { id: reception.userId, roles: place.ownRoles });
  const needed = permission.viewChannel | permission.sendMessages;
  if ((bits & needed) !== needed)
    throw new DiscordRefused(
      50_013,
      "the bot may not write in this channel: give its role View Channel and Send Messages there",
    );
}
