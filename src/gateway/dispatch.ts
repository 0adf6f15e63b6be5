import * as z from "zod";
import { interaction, type WireInteraction } from "../discord/interaction.ts";

/** A snowflake that fits Postgres's bigint. */
const id = z
  .string()
  .regex(/^\d{1,19}$/)
  .refine((text) => BigInt(text) < 2n ** 63n);
const bits = z.string().regex(/^\d{1,20}$/);
const user = z.object({
  id,
  username: z.string(),
  global_name: z.string().nullish(),
  bot: z.boolean().optional(),
});
const overwrite = z.object({ id, type: z.number(), allow: bits, deny: bits });
const channel = z.object({
  id,
  type: z.number(),
  guild_id: id.optional(),
  name: z.string().nullish(),
  parent_id: id.nullish(),
  nsfw: z.boolean().optional(),
  permission_overwrites: z.array(overwrite).optional(),
  last_message_id: id.nullish(),
});
const role = z.object({ id, permissions: bits });
const member = z.object({ user: user.optional(), nick: z.string().nullish(), roles: z.array(id).optional() });
const guild = z.object({
  id,
  name: z.string(),
  owner_id: id,
  preferred_locale: z.string().nullish(),
  roles: z.array(role),
});
const attachment = z.object({
  filename: z.string(),
  url: z.string(),
  size: z.number(),
  content_type: z.string().nullish(),
});
/** What stands in a message beside its words. */
const enclosed = {
  attachments: z.array(attachment).optional(),
  sticker_items: z.array(z.object({ name: z.string() })).optional(),
  embeds: z.array(z.object({ title: z.string().nullish(), description: z.string().nullish() })).optional(),
};
const message = z.object({
  id,
  type: z.number().optional(),
  channel_id: id,
  guild_id: id.optional(),
  author: user,
  member: member.optional(),
  webhook_id: id.optional(),
  content: z.string(),
  timestamp: z.string(),
  edited_timestamp: z.string().nullish(),
  mentions: z.array(user).optional(),
  mention_roles: z.array(id).optional(),
  ...enclosed,
  /** Type 0 is a reply, 1 a forward of that message, which stands in `message_snapshots`. */
  message_reference: z.object({ type: z.number().optional(), message_id: id.optional() }).optional(),
  message_snapshots: z
    .array(z.object({ message: z.object({ content: z.string().catch(""), ...enclosed }) }))
    .optional()
    .catch(undefined),
  poll: z
    .object({
      question: z.object({ text: z.string().nullish() }),
      answers: z.array(z.object({ poll_media: z.object({ text: z.string().nullish() }) })),
    })
    .nullish()
    .catch(null),
  referenced_message: z
    .object({ id, author: user, webhook_id: id.optional(), content: z.string() })
    .nullish()
    .catch(null),
});

/** What Discord's gateway sends, as far as this program reads it; everything else in it is dropped at the edge. */
export type WireMessage = z.infer<typeof message>;
export type WireChannel = z.infer<typeof channel>;
export type WireGuild = z.infer<typeof guild>;

/** One event of the gateway that concerns us. */
export type Heard =
  | {
      readonly kind: "ready";
      readonly userId: string;
      readonly applicationId: string;
      readonly sessionId: string;
      readonly resumeUrl: string;
    }
  | {
      readonly kind: "guild";
      readonly guild: WireGuild;
      /** When the bot came in, in milliseconds since 1970; null when Discord does not say. */
      readonly joinedAt: number | null;
      readonly channels: readonly WireChannel[];
      readonly members: readonly { readonly userId: string; readonly roles: readonly string[] }[];
    }
  | { readonly kind: "guild-changed"; readonly guild: WireGuild }
  | { readonly kind: "guild-gone"; readonly guildId: string }
  | { readonly kind: "channel"; readonly channel: WireChannel }
  | { readonly kind: "channel-gone"; readonly channelId: string; readonly guildId: string | null }
  | { readonly kind: "role"; readonly guildId: string; readonly roleId: string; readonly permissions: string | null }
  | { readonly kind: "own-roles"; readonly guildId: string; readonly userId: string; readonly roles: readonly string[] }
  | { readonly kind: "message"; readonly message: WireMessage }
  | { readonly kind: "edited"; readonly message: WireMessage }
  | { readonly kind: "unfurled"; readonly message: WireMessage }
  | { readonly kind: "deleted"; readonly channelId: string; readonly messageIds: readonly string[] }
  | {
      readonly kind: "reaction";
      readonly messageId: string;
      readonly userId: string;
      readonly emoji: string;
      readonly added: boolean;
    }
  | { readonly kind: "interaction"; readonly interaction: WireInteraction };

const inGuild = z.object({ guild_id: id });
const goneChannel = z
  .object({ id, guild_id: id.optional() })
  .transform((one) => ({ kind: "channel-gone" as const, channelId: one.id, guildId: one.guild_id ?? null }));
const readers: Readonly<Record<string, z.ZodType<Heard | null>>> = {
  READY: z
    .object({ user, application: z.object({ id }), session_id: z.string(), resume_gateway_url: z.string() })
    .transform((d) => ({
      kind: "ready",
      userId: d.user.id,
      applicationId: d.application.id,
      sessionId: d.session_id,
      resumeUrl: d.resume_gateway_url,
    })),
  GUILD_CREATE: guild
    .extend({
      channels: z.array(channel),
      threads: z.array(channel).optional(),
      members: z.array(member).optional(),
      joined_at: z.string().nullish().catch(null),
    })
    .transform(({ channels, threads = [], members = [], joined_at: joinedAt, ...own }) => ({
      kind: "guild",
      guild: own,
      joinedAt: readMoment(joinedAt),
      channels: [...channels, ...threads].map((one) => ({ ...one, guild_id: own.id })),
      members: members.map((one) => ({ userId: one.user?.id ?? "", roles: one.roles ?? [] })),
    })),
  GUILD_UPDATE: guild.transform((own) => ({ kind: "guild-changed", guild: own })),
  GUILD_DELETE: z
    .object({ id, unavailable: z.boolean().optional() })
    .transform((d) => (d.unavailable === true ? null : { kind: "guild-gone", guildId: d.id })),
  CHANNEL_CREATE: channel.transform((one) => ({ kind: "channel", channel: one })),
  CHANNEL_UPDATE: channel.transform((one) => ({ kind: "channel", channel: one })),
  CHANNEL_DELETE: goneChannel,
  THREAD_CREATE: channel.transform((one) => ({ kind: "channel", channel: one })),
  THREAD_UPDATE: channel.transform((one) => ({ kind: "channel", channel: one })),
  THREAD_DELETE: goneChannel,
  GUILD_ROLE_CREATE: inGuild.extend({ role }).transform((d) => roleOf(d.guild_id, d.role.id, d.role.permissions)),
  GUILD_ROLE_UPDATE: inGuild.extend({ role }).transform((d) => roleOf(d.guild_id, d.role.id, d.role.permissions)),
  GUILD_ROLE_DELETE: inGuild.extend({ role_id: id }).transform((d) => roleOf(d.guild_id, d.role_id, null)),
  GUILD_MEMBER_UPDATE: inGuild
    .extend({ user, roles: z.array(id) })
    .transform((d) => ({ kind: "own-roles", guildId: d.guild_id, userId: d.user.id, roles: d.roles })),
  MESSAGE_CREATE: message.transform((one) => ({ kind: "message", message: one })),
  MESSAGE_UPDATE: z
    .object({ edited_timestamp: z.string().nullish() })
    .loose()
    .transform((d) => (d.edited_timestamp ? { kind: "edited", message: message.parse(d) } : unfurledOf(d))),
  MESSAGE_DELETE: z
    .object({ id, channel_id: id })
    .transform((d) => ({ kind: "deleted", channelId: d.channel_id, messageIds: [d.id] })),
  MESSAGE_DELETE_BULK: z
    .object({ ids: z.array(id), channel_id: id })
    .transform((d) => ({ kind: "deleted", channelId: d.channel_id, messageIds: d.ids })),
  MESSAGE_REACTION_ADD: reaction(true),
  MESSAGE_REACTION_REMOVE: reaction(false),
  INTERACTION_CREATE: interaction.transform((one) => ({ kind: "interaction", interaction: one })),
};

/** Without an edit of the text it is a link with what stands behind it; or a pin and the like, which may lack most fields. */
function unfurledOf(d: unknown): Heard | null {
  const read = message.safeParse(d).data;
  return read === undefined || (read.embeds ?? []).length === 0 ? null : { kind: "unfurled", message: read };
}

function readMoment(text: string | null | undefined): number | null {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? null : ms;
}

function roleOf(guildId: string, roleId: string, permissions: string | null): Heard {
  return { kind: "role", guildId, roleId, permissions };
}

function reaction(added: boolean): z.ZodType<Heard> {
  return z.object({ message_id: id, user_id: id, emoji: z.object({ name: z.string().nullish() }) }).transform((d) => ({
    kind: "reaction",
    messageId: d.message_id,
    userId: d.user_id,
    emoji: d.emoji.name ?? "",
    added,
  }));
}

/**
 * Reads one dispatch. Null: it does not concern us. Throws an Error that names the event and its first wrong field, and quotes nothing, when
 * it is not what Discord documents.
 */
export function readDispatch(payload: { readonly t: string; readonly d: unknown }): Heard | null {
  const reader = Object.hasOwn(readers, payload.t) ? readers[payload.t] : undefined;
  if (reader === undefined) return null;
  let result: z.ZodSafeParseResult<Heard | null>;
  try {
    result = reader.safeParse(payload.d);
  } catch {
    // A schema inside a transform.
    throw new Error(`${payload.t} is not what Discord documents`);
  }
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`${payload.t} is not what Discord documents: ${issue?.path.join(".")} ${issue?.code}`);
}

/** Reads a message that REST returned; null when it is none. */
export function readMessage(value: unknown): WireMessage | null {
  return message.safeParse(value).data ?? null;
}

/** Reads a channel that REST returned; null when it is none. */
export function readChannel(value: unknown): WireChannel | null {
  return channel.safeParse(value).data ?? null;
}

/** Reads the roles of a member that REST returned; null when it is none. */
export function readRoles(value: unknown): readonly string[] | null {
  return member.safeParse(value).data?.roles ?? null;
}

/** Reads a guild that REST returned; null when it is none. */
export function readGuild(value: unknown): WireGuild | null {
  return guild.safeParse(value).data ?? null;
}
