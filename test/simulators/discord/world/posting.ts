import { Buffer } from "node:buffer";
import { channelEvent, intents, type Deliver, type GatewayEvent } from "./events.ts";
import { pingedBy } from "./mentions.ts";
import type { AllowedMentions, Attachment, Fields, Message } from "./message.ts";
import { emojiPayload, memberPayload, messagePayload, userPayload } from "./payloads.ts";
import type { Bot, Channel } from "./records.ts";
import type { State } from "./state.ts";

export interface Draft {
  /** The next one unless told otherwise: what begins a forum post has the id of the post. */
  readonly id?: string;
  readonly channel: Channel;
  readonly authorId: string;
  readonly content: string;
  /** Shown instead of the author's own name. */
  readonly authorName?: string;
  readonly nonce?: string | null;
  readonly replyTo?: string | null;
  readonly allowedMentions?: AllowedMentions | null;
  readonly embeds?: readonly Fields[];
  readonly components?: readonly Fields[];
  readonly stickers?: readonly Fields[];
  /** What the message has besides, as Discord sends it. */
  readonly besides?: Fields;
  readonly attachments?: readonly FileDraft[];
  readonly flags?: number;
  readonly type?: number;
  readonly webhookId?: string | null;
  readonly applicationId?: string | null;
  readonly interactionId?: string | null;
  readonly ephemeral?: boolean;
}

export interface FileDraft {
  readonly name: string;
  readonly contentType?: string;
  /** Either the text or the bytes. */
  readonly text?: string;
  readonly base64?: string;
}

export interface Revision {
  readonly content?: string;
  readonly embeds?: readonly Fields[];
  readonly components?: readonly Fields[];
  readonly attachments?: readonly FileDraft[];
  /** The ids of attachments that stay; all of them when it is left out. */
  readonly keep?: readonly string[];
  readonly allowedMentions?: AllowedMentions | null;
  readonly flags?: number;
}

/** Keeps a message and tells the gateway. It asks for no permission: whoever calls has done that. */
export function post(state: State, deliver: Deliver, draft: Draft): Message {
  const { channel, replyTo = null, webhookId = null, applicationId = null, allowedMentions = null } = draft;
  // An answer to an interaction has its application for a webhook, and the bot for its author.
  const throughHook = webhookId !== null && webhookId !== applicationId;
  const answered = replyTo === null ? undefined : state.messages.get(replyTo);
  const id = draft.id ?? state.snowflakes.next();
  const message: Message = {
    id,
    channelId: channel.id,
    guildId: channel.guildId,
    authorId: draft.authorId,
    authorName: draft.authorName ?? state.user(draft.authorId).name,
    byBot: throughHook || state.user(draft.authorId).bot,
    type: draft.type ?? (replyTo === null ? 0 : 19),
    content: draft.content,
    nonce: draft.nonce ?? null,
    createdAt: state.now(),
    editedAt: null,
    deletedAt: null,
    replyTo,
    allowedMentions,
    pinged: pingedBy(state, {
      text: draft.content,
      channel,
      authorId: throughHook ? null : draft.authorId,
      allowed: allowedMentions,
      repliedTo: answered?.authorId ?? null,
    }),
    edits: [],
    embeds: draft.embeds ?? [],
    components: draft.components ?? [],
    stickers: draft.stickers ?? [],
    besides: draft.besides ?? {},
    attachments: (draft.attachments ?? []).map((file) => attach(state, channel.id, file)),
    reactions: {},
    flags: draft.flags ?? 0,
    webhookId,
    applicationId,
    interactionId: draft.interactionId ?? null,
    ephemeral: draft.ephemeral ?? false,
    threadId: null,
  };
  state.messages.set(id, message);
  if (message.ephemeral) return message;
  const history = state.history.get(channel.id) ?? [];
  state.history.set(channel.id, history);
  history.push(message);
  channel.lastMessageId = id;
  if (channel.thread !== null) channel.thread.archived = false;
  deliver(messageEvent(state, "MESSAGE_CREATE", message));
  return message;
}

/** Changes what a message says and tells the gateway; what it said before stays in `edits`. */
export function revise(state: State, deliver: Deliver, message: Message, revision: Revision): Message {
  const channel = state.channel(message.channelId);
  const allowed = revision.allowedMentions ?? null;
  const repliedTo = message.replyTo === null ? null : (state.messages.get(message.replyTo)?.authorId ?? null);
  const text = revision.content ?? message.content;
  const pinged = pingedBy(state, { text, channel, authorId: message.authorId, allowed, repliedTo });
  message.edits.push({ at: state.now(), before: message.content, pinged });
  message.content = text;
  message.editedAt = state.now();
  message.embeds = revision.embeds ?? message.embeds;
  message.components = revision.components ?? message.components;
  message.flags = revision.flags ?? message.flags;
  const { keep, attachments = [] } = revision;
  message.attachments = [
    ...message.attachments.filter(({ id }) => keep?.includes(id) ?? true),
    ...attachments.map((file) => attach(state, channel.id, file)),
  ];
  if (!message.ephemeral) deliver(messageEvent(state, "MESSAGE_UPDATE", message));
  return message;
}

export function erase(state: State, deliver: Deliver, message: Message): void {
  if (message.deletedAt !== null) return;
  message.deletedAt = state.now();
  if (message.ephemeral) return;
  const channel = state.channel(message.channelId);
  const data = { id: message.id, channel_id: channel.id, ...guildField(channel) };
  deliver(channelEvent(state, channel, "MESSAGE_DELETE", messageIntents, () => data));
}

/** Many at once, as a moderator or a ban does: one event for all of them. */
export function eraseMany(state: State, deliver: Deliver, channel: Channel, messages: readonly Message[]): void {
  for (const message of messages) message.deletedAt ??= state.now();
  const data = { ids: messages.map(({ id }) => id), channel_id: channel.id, ...guildField(channel) };
  deliver(channelEvent(state, channel, "MESSAGE_DELETE_BULK", messageIntents, () => data));
}

/** Adds the previews of links: a MESSAGE_UPDATE although nobody edited anything. */
export function unfurl(state: State, deliver: Deliver, message: Message, embeds: readonly Fields[]): void {
  message.embeds = [...message.embeds, ...embeds];
  deliver(messageEvent(state, "MESSAGE_UPDATE", message));
}

/** Adds or takes back a reaction; false when it was so already. */
export function setReaction(
  state: State,
  deliver: Deliver,
  reaction: { readonly message: Message; readonly userId: string; readonly emoji: string },
  present: boolean,
): boolean {
  const { message, userId, emoji } = reaction;
  const before = message.reactions[emoji] ?? [];
  if (before.includes(userId) === present) return false;
  const after = present ? [...before, userId] : before.filter((id) => id !== userId);
  if (after.length === 0) delete message.reactions[emoji];
  else message.reactions[emoji] = after;
  const channel = state.channel(message.channelId);
  const member = channel.guildId === null ? undefined : state.guild(channel.guildId).members.get(userId);
  const data = {
    user_id: userId,
    channel_id: channel.id,
    message_id: message.id,
    emoji: emojiPayload(emoji),
    burst: false,
    type: 0,
    ...guildField(channel),
    ...(present ? { message_author_id: message.authorId } : {}),
    ...(present && member !== undefined
      ? { member: { ...memberPayload(member), user: userPayload(state.user(userId)) } }
      : {}),
  };
  const name = present ? "MESSAGE_REACTION_ADD" : "MESSAGE_REACTION_REMOVE";
  const intent = { guild: intents.guildMessageReactions, direct: intents.directMessageReactions };
  deliver(channelEvent(state, channel, name, intent, () => data));
  return true;
}

/** Whether this bot may read the content although it lacks the intent: its own words, a direct conversation, a mention. */
export function readsAnyway(bot: Bot, message: Message): boolean {
  return message.guildId === null || message.authorId === bot.id || message.pinged.users.includes(bot.id);
}

const messageIntents = { guild: intents.guildMessages, direct: intents.directMessages };

function messageEvent(state: State, name: string, message: Message): GatewayEvent {
  const channel = state.channel(message.channelId);
  return channelEvent(state, channel, name, messageIntents, (bot, allowed) => {
    const reads = (one: Message) => (allowed & intents.messageContent) !== 0 || readsAnyway(bot, one);
    return {
      ...messagePayload(state, message, reads),
      ...inGuild(state, channel, message),
      channel_type: channel.type,
    };
  });
}

function inGuild(state: State, channel: Channel, message: Message): object {
  if (channel.guildId === null) return {};
  const { members } = state.guild(channel.guildId);
  const author = members.get(message.authorId);
  const mentions = message.pinged.users.map((id) => {
    const member = members.get(id);
    return { ...userPayload(state.user(id)), ...(member === undefined ? {} : { member: memberPayload(member) }) };
  });
  const isMember = author !== undefined && message.webhookId === null;
  return { guild_id: channel.guildId, mentions, ...(isMember ? { member: memberPayload(author) } : {}) };
}

function guildField(channel: Channel): { guild_id?: string } {
  return channel.guildId === null ? {} : { guild_id: channel.guildId };
}

function attach(state: State, channelId: string, file: FileDraft): Attachment {
  const bytes = file.base64 === undefined ? Buffer.from(file.text ?? "") : Buffer.from(file.base64, "base64");
  const id = state.snowflakes.next();
  return {
    id,
    filename: file.name,
    contentType: file.contentType ?? "text/plain; charset=utf-8",
    size: bytes.length,
    text: bytes.toString("utf8"),
    base64: bytes.toString("base64"),
    path: `/attachments/${channelId}/${id}/${encodeURIComponent(file.name)}`,
  };
}
