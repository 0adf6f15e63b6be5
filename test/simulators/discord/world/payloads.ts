import type { Fields, Message } from "./message.ts";
import type { Bot, Channel, Guild, Member, Role, User } from "./records.ts";
import type { State } from "./state.ts";

const iso = (ms: number) => new Date(ms).toISOString().replace("Z", "+00:00");

export function userPayload(user: User): object {
  return {
    id: user.id,
    username: user.name,
    global_name: user.globalName,
    discriminator: user.bot ? "0001" : "0",
    avatar: null,
    bot: user.bot,
    public_flags: 0,
  };
}

export function applicationPayload(bot: Bot): object {
  return { id: bot.id, name: bot.name, description: "", icon: null, bot_public: true, flags: flagsOf(bot) };
}

/** The flags of an application that is small enough to have its privileged intents without a review. */
function flagsOf(bot: Bot): number {
  const flags = { presences: 1 << 13, members: 1 << 15, content: 1 << 19 } as const;
  return bot.privileged.reduce((sum, name) => sum | flags[name], 0);
}

export function rolePayload(role: Role): object {
  return {
    id: role.id,
    name: role.name,
    permissions: String(role.permissions),
    position: role.position,
    mentionable: role.mentionable,
    color: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    hoist: false,
    managed: role.botId !== null,
    flags: 0,
    ...(role.botId === null ? {} : { tags: { bot_id: role.botId } }),
  };
}

export function memberPayload(member: Member): object {
  return {
    roles: member.roles,
    nick: member.nick,
    avatar: null,
    joined_at: iso(member.joinedAt),
    premium_since: null,
    communication_disabled_until: member.timeoutUntil === null ? null : iso(member.timeoutUntil),
    deaf: false,
    mute: false,
    pending: false,
    flags: 0,
  };
}

export function channelPayload(state: State, channel: Channel): object {
  const { id, type, name, guildId, parentId, lastMessageId, thread } = channel;
  if (guildId === null) {
    const recipients = channel.recipients.map((one) => userPayload(state.user(one)));
    return { id, type, last_message_id: lastMessageId, recipients };
  }
  const shared = { id, type, name, guild_id: guildId, parent_id: parentId, last_message_id: lastMessageId, flags: 0 };
  if (thread !== null) {
    return {
      ...shared,
      owner_id: thread.ownerId,
      message_count: state.history.get(id)?.length ?? 0,
      member_count: thread.members.size,
      rate_limit_per_user: 0,
      thread_metadata: {
        archived: thread.archived,
        locked: thread.locked,
        auto_archive_duration: 1440,
        archive_timestamp: iso(state.now()),
        ...(type === 12 ? { invitable: true } : {}),
      },
    };
  }
  return {
    ...shared,
    position: channel.position,
    topic: channel.topic,
    nsfw: channel.nsfw,
    rate_limit_per_user: 0,
    ...(type === 15 ? { available_tags: [], default_reaction_emoji: null, default_sort_order: null } : {}),
    permission_overwrites: channel.overwrites.map((one) => ({
      id: one.id,
      type: one.kind === "role" ? 0 : 1,
      allow: String(one.allow),
      deny: String(one.deny),
    })),
  };
}

/** The guild as REST gives it: without its channels and members. */
export function guildPayload(guild: Guild): object {
  return {
    id: guild.id,
    name: guild.name,
    icon: null,
    owner_id: guild.ownerId,
    preferred_locale: guild.preferredLocale,
    roles: [...guild.roles.values()].map(rolePayload),
    emojis: [],
    stickers: [],
    features: [],
    afk_timeout: 300,
    verification_level: 0,
    default_message_notifications: 0,
    explicit_content_filter: 0,
    mfa_level: 0,
    nsfw_level: 0,
    premium_tier: 0,
    system_channel_flags: 0,
  };
}

/** The message as the API shows it, blank where `reads` says that this one is not to be read. */
export function messagePayload(
  state: State,
  message: Message,
  reads: (message: Message) => boolean = () => true,
): object {
  const show = (one: Message) => (reads(one) ? bareMessage(state, one) : { ...bareMessage(state, one), ...blank });
  if (message.replyTo === null) return show(message);
  const { guildId, channelId, replyTo } = message;
  const answered = state.messages.get(replyTo);
  const guild = guildId === null ? {} : { guild_id: guildId };
  return {
    ...show(message),
    message_reference: { type: 0, message_id: replyTo, channel_id: channelId, ...guild },
    referenced_message: answered === undefined || answered.deletedAt !== null ? null : show(answered),
  };
}

const blank = { content: "", embeds: [], attachments: [], components: [] };

function authorPayload(state: State, message: Message): object {
  if (message.webhookId === null || message.webhookId === message.applicationId)
    return userPayload(state.user(message.authorId));
  return {
    id: message.webhookId,
    username: message.authorName,
    global_name: null,
    discriminator: "0000",
    avatar: null,
    bot: true,
  };
}

function bareMessage(state: State, message: Message): object {
  const { id, channelId, content, type, flags, webhookId, applicationId, pinged, threadId } = message;
  const thread = threadId === null ? undefined : state.channels.get(threadId);
  return {
    id,
    channel_id: channelId,
    type,
    content,
    author: authorPayload(state, message),
    timestamp: iso(message.createdAt),
    edited_timestamp: message.editedAt === null ? null : iso(message.editedAt),
    tts: false,
    pinned: false,
    mention_everyone: pinged.everyone,
    mentions: pinged.users.map((user) => userPayload(state.user(user))),
    mention_roles: pinged.roles,
    attachments: message.attachments.map((one) => ({
      id: one.id,
      filename: one.filename,
      content_type: one.contentType,
      size: one.size,
      url: `${state.origin}${one.path}`,
      proxy_url: `${state.origin}${one.path}`,
    })),
    embeds: message.embeds,
    components: message.components,
    flags,
    reactions: Object.entries(message.reactions).map(([emoji, by]) => ({
      emoji: emojiPayload(emoji),
      count: by.length,
      me: false,
    })),
    ...(message.nonce === null ? {} : { nonce: message.nonce }),
    ...(message.stickers.length === 0 ? {} : { sticker_items: message.stickers }),
    ...message.besides,
    ...(webhookId === null ? {} : { webhook_id: webhookId }),
    ...(applicationId === null ? {} : { application_id: applicationId }),
    ...commandOf(state, message),
    ...(thread === undefined ? {} : { thread: channelPayload(state, thread) }),
  };
}

/** Of the answer to an interaction: which one, and for a follow-up also the first response to it. */
function commandOf(state: State, { id, interactionId }: Message): Fields {
  const interaction = interactionId === null ? undefined : state.interactions.get(interactionId);
  if (interaction === undefined) return {};
  const { type, userId, originalId } = interaction;
  const metadata = {
    id: interaction.id,
    type,
    user: userPayload(state.user(userId)),
    authorizing_integration_owners: {},
  };
  const isFollowUp = originalId !== null && originalId !== id;
  return { interaction_metadata: { ...metadata, ...(isFollowUp ? { original_response_message_id: originalId } : {}) } };
}

/** "👍", or "name:id" for one of a guild's own. */
export function emojiPayload(emoji: string): { id: string | null; name: string } {
  const [name = emoji, id = null] = emoji.split(":");
  return { id, name };
}

/** As a message carries the one that it forwards: without its author. */
export function forwardPayload(state: State, original: Message): Fields {
  const { id, channel_id, guild_id, content, type, timestamp, attachments, embeds, flags } = messagePayload(
    state,
    original,
  ) as Fields;
  return {
    message_reference: { type: 1, message_id: id, channel_id, guild_id },
    message_snapshots: [{ message: { type, content, timestamp, attachments, embeds, flags } }],
  };
}

export function pollPayload({ question, answers }: { question: string; answers: readonly string[] }): Fields {
  return {
    question: { text: question },
    answers: answers.map((text, index) => ({ answer_id: index + 1, poll_media: { text } })),
    allow_multiselect: false,
    layout_type: 1,
  };
}
