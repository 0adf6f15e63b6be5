import { clean, flat } from "../discord/clean.ts";
import { homeOf, type Where } from "../discord/places.ts";
import { momentOf, type Attachment, type Envelope, type Priority, type Snowflake } from "../envelope.ts";
import type { WireMessage } from "./dispatch.ts";

/** Who we are: the bot that listens, and the bots that agents speak with. */
export interface Self {
  readonly userId: Snowflake;
  /** User id of a voice to the name of its agent. */
  readonly voices: ReadonlyMap<Snowflake, string>;
}

const defaultMessage = 0;
const reply = 19;
/** A type of reference. */
const forward = 1;

/** True for what a person wrote: not for our own words, other bots, webhooks, and Discord's notices of pins, joins and the like. */
export function isFromPerson(message: WireMessage, self: Self): boolean {
  const { author, type = defaultMessage } = message;
  if (author.id === self.userId || self.voices.has(author.id)) return false;
  return author.bot !== true && message.webhook_id === undefined && (type === defaultMessage || type === reply);
}

/**
 * The envelope of a message from Discord. A public thread belongs to its channel, a private one stands for itself. `repliedToAgent` is the agent whose
 * words it replies to; `maxChars` cuts the text. Who turns to the bot without calling it may have more to say: that is a `reply`.
 */
export function toEnvelope(
  message: WireMessage,
  where: Where,
  self: Self,
  repliedToAgent: string | null,
  maxChars: number,
): { readonly envelope: Envelope; readonly priority: Priority } {
  const mentions = message.mentions ?? [];
  const voice = mentions.map(({ id }) => self.voices.get(id)).find((agent) => agent !== undefined);
  const referenced = message.referenced_message ?? null;
  const isReplyToUs = repliedToAgent !== null || (referenced !== null && isOurs(referenced.author.id, self));
  const isMentioned =
    mentions.some(({ id }) => isOurs(id, self)) ||
    (message.mention_roles ?? []).some((role) => where.ownRoles.includes(role));
  const isAddressed = where.kind === "direct" || isMentioned || isReplyToUs;
  const envelope: Envelope = {
    messageId: message.id,
    guildId: where.guildId,
    guildName: where.guildName,
    ...homeOf(where),
    audience: where.audience,
    conversationId: where.channelId,
    author: { id: message.author.id, name: nameOf(message), kind: "person" },
    text: textOf(message, self).slice(0, maxChars).toWellFormed(),
    receivedAt: new Date(momentOf(message.id)),
    addressed: isAddressed,
    addressedAgent: voice ?? repliedToAgent ?? (referenced && (self.voices.get(referenced.author.id) ?? null)),
    locale: where.locale,
    repliedTo: referenced && {
      author: flat(referenced.author.global_name ?? referenced.author.username),
      text: clean(referenced.content).slice(0, 1_000).toWellFormed(),
      messageId: referenced.id,
      authorId: referenced.author.id,
    },
    attachments: attachmentsOf(message),
    interactionToken: null,
  };
  return { envelope, priority: isMentioned ? "mention" : isAddressed ? "reply" : "ambient" };
}

/** Whether this is the bot that listens, or one that an agent speaks with. */
export function isOurs(userId: Snowflake, self: Self): boolean {
  return userId === self.userId || self.voices.has(userId);
}

function nameOf({ author, member }: WireMessage): string {
  return flat(member?.nick ?? author.global_name ?? author.username) || "somebody";
}

/** What people read: mentions by name, and what came along named in brackets. */
function textOf(message: WireMessage, self: Self): string {
  const names = new Map((message.mentions ?? []).map((user) => [user.id, flat(user.global_name ?? user.username)]));
  // The bot itself was called, which the envelope says; its name would only stand in the way of an agent's.
  const words = clean(message.content)
    .replace(new RegExp(`^\\s*<@!?${self.userId}>[\\s,:]*`), "")
    .replaceAll(/<@!?(\d+)>/g, (whole, id: string) => (names.has(id) ? `@${names.get(id)}` : whole));
  const forwarded = (message.message_snapshots ?? []).map(({ message: original }) => {
    const lines = [clean(original.content).trim(), ...enclosedIn(original)].filter((line) => line !== "");
    return `[forwarded: ${lines.join("\n")}]`;
  });
  return [words.trim(), ...forwarded, ...pollOf(message), ...enclosedIn(message)]
    .filter((line) => line !== "")
    .join("\n");
}

function enclosedIn({
  attachments = [],
  sticker_items: stickers = [],
  embeds = [],
}: Pick<WireMessage, "attachments" | "sticker_items" | "embeds">): readonly string[] {
  return [
    ...attachments.map(({ filename, size }) => `[file: ${flat(filename)}, ${kilobytes(size)}]`),
    ...stickers.map(({ name }) => `[sticker: ${flat(name)}]`),
    ...embeds.flatMap(({ title, description }) => {
      const said = flat([title, description].filter(Boolean).join(": ")).slice(0, 300);
      return said === "" ? [] : [`[link: ${said}]`];
    }),
  ];
}

function pollOf({ poll }: WireMessage): readonly string[] {
  if (!poll) return [];
  const answers = poll.answers.map(({ poll_media: { text } }) => flat(text ?? "")).filter((text) => text !== "");
  return [`[poll: ${flat(poll.question.text ?? "")} (${answers.join(" / ")})]`];
}

/** The message that this one replies to; null also for a forward, which only refers to one. */
export function replyIdOf({ message_reference: reference }: WireMessage): Snowflake | null {
  return reference?.type === forward ? null : (reference?.message_id ?? null);
}

function attachmentsOf({ attachments = [] }: WireMessage): readonly Attachment[] {
  return attachments.slice(0, 10).map((one) => ({
    name: flat(one.filename),
    url: clean(one.url).slice(0, 2_000),
    bytes: one.size,
    mediaType: one.content_type ? flat(one.content_type) : null,
  }));
}

function kilobytes(bytes: number): string {
  return bytes < 1_000 ? `${bytes} bytes` : `${Math.round(bytes / 1_000)} KB`;
}
