import { guildEvent, intents, type Deliver } from "./events.ts";
import { announceGuild } from "./guild-create.ts";
import { channelPayload, guildPayload, memberPayload, rolePayload, userPayload } from "./payloads.ts";
import { bitsOf, channelPermissions, ofNewGuilds, permissions, type Permission } from "./permissions.ts";
import type { Channel, Guild, Member, Overwrite, Ref, Role, User } from "./records.ts";
import { snowflakeAt } from "./snowflakes.ts";
import { idOf, type State } from "./state.ts";

export interface RoleOptions {
  readonly name: string;
  readonly permissions?: readonly Permission[];
  readonly mentionable?: boolean;
}

export interface GuildOptions {
  readonly name: string;
  readonly id?: string;
  readonly ownerId?: string;
  readonly preferredLocale?: string;
  readonly roles?: readonly RoleOptions[];
  /** What @everyone may do; left out, what a new guild allows. */
  readonly everyone?: readonly Permission[];
  readonly members?: readonly Ref[];
}

interface OverwriteOptions {
  /** A role (also the guild, for @everyone) or a user. */
  readonly of: Ref;
  readonly allow?: readonly Permission[];
  readonly deny?: readonly Permission[];
}

export interface ChannelOptions {
  readonly name: string;
  /** "text" unless told otherwise. */
  readonly type?: "text" | "voice" | "category" | "announcement" | "forum";
  readonly parent?: Ref;
  readonly overwrites?: readonly OverwriteOptions[];
  readonly nsfw?: boolean;
  readonly topic?: string;
}

const channelTypes = { text: 0, voice: 2, category: 4, announcement: 5, forum: 15 } as const;

/** Makes guilds, roles, members and channels, and tells the gateway. */
export function makeBuilder(state: State, deliver: Deliver) {
  let guildsMade = 0;
  // A day ago and one millisecond apart: neighbours then fall on neighbouring shards.
  const firstGuildAt = state.now() - 86_400_000;
  const tell = (name: string, guildId: string, data: object) => deliver(guildEvent(state, name, guildId, data));

  const addRole = (ref: Ref, options: RoleOptions): Role => {
    const guild = state.guild(ref);
    const role = makeRole(state.snowflakes.next(), options, guild.roles.size);
    guild.roles.set(role.id, role);
    tell("GUILD_ROLE_CREATE", guild.id, { guild_id: guild.id, role: rolePayload(role) });
    return role;
  };

  const addMember = (ref: Ref, userRef: Ref, roles: readonly Ref[] = []): Member => {
    const guild = state.guild(ref);
    const user = state.user(userRef);
    const member: Member = {
      userId: user.id,
      joinedAt: state.now(),
      nick: null,
      roles: roles.map(idOf),
      timeoutUntil: null,
    };
    guild.members.set(user.id, member);
    if (user.bot) member.roles.push(ownRole(state, guild, user.id));
    if (user.bot) announceGuild(state, deliver, guild, user.id);
    const data = { guild_id: guild.id, user: userPayload(user), ...memberPayload(member) };
    deliver(guildEvent(state, "GUILD_MEMBER_ADD", guild.id, data, intents.guildMembers));
    return member;
  };

  return {
    addUser: (name: string, options: { readonly globalName?: string; readonly locale?: string } = {}): User => {
      const { globalName = null, locale = "en-US" } = options;
      const user: User = { id: state.snowflakes.next(), name, globalName, bot: false, locale };
      state.users.set(user.id, user);
      return user;
    },

    addGuild: (options: GuildOptions): Guild => {
      const id = options.id ?? snowflakeAt(firstGuildAt + guildsMade++);
      const everyone: Role = { ...makeRole(id, { name: "@everyone" }, 0), permissions: ofNewGuilds };
      if (options.everyone !== undefined) everyone.permissions = bitsOf(options.everyone);
      const guild: Guild = {
        id,
        name: options.name,
        ownerId: options.ownerId ?? state.snowflakes.next(),
        preferredLocale: options.preferredLocale ?? "en-US",
        roles: new Map([[id, everyone]]),
        members: new Map(),
        unavailable: false,
      };
      state.guilds.set(id, guild);
      for (const role of options.roles ?? []) addRole(guild, role);
      if (state.users.has(guild.ownerId)) addMember(guild, guild.ownerId);
      for (const member of options.members ?? []) addMember(guild, member);
      return guild;
    },

    addRole,
    addMember,

    setRole: (ref: Ref, roleRef: Ref, change: Partial<RoleOptions>): void => {
      const guild = state.guild(ref);
      const role = guild.roles.get(idOf(roleRef));
      if (role === undefined) throw new Error(`the guild has no role ${idOf(roleRef)}`);
      role.name = change.name ?? role.name;
      role.mentionable = change.mentionable ?? role.mentionable;
      if (change.permissions !== undefined) role.permissions = bitsOf(change.permissions);
      tell("GUILD_ROLE_UPDATE", guild.id, { guild_id: guild.id, role: rolePayload(role) });
    },

    setMember: (
      ref: Ref,
      userRef: Ref,
      change: { readonly roles?: readonly Ref[]; readonly nick?: string | null; readonly timeoutUntil?: number | null },
    ): void => {
      const guild = state.guild(ref);
      const user = state.user(userRef);
      const member = guild.members.get(user.id) ?? addMember(guild, user);
      if (change.roles !== undefined) {
        const own = member.roles.filter((id) => (guild.roles.get(id)?.botId ?? null) !== null);
        member.roles = [...new Set([...change.roles.map(idOf), ...own])];
      }
      if (change.nick !== undefined) member.nick = change.nick;
      if (change.timeoutUntil !== undefined) member.timeoutUntil = change.timeoutUntil;
      const data = { guild_id: guild.id, user: userPayload(user), ...memberPayload(member) };
      const event = guildEvent(state, "GUILD_MEMBER_UPDATE", guild.id, data, intents.guildMembers);
      deliver({ ...event, concerns: (bot) => bot.id !== user.id && event.concerns(bot) });
      // A bot hears of itself without the intent.
      deliver({ ...event, intent: 0, concerns: (bot) => bot.id === user.id });
    },

    removeMember: (ref: Ref, userRef: Ref): void => {
      const guild = state.guild(ref);
      const user = state.user(userRef);
      const data = { guild_id: guild.id, user: userPayload(user) };
      deliver(guildEvent(state, "GUILD_MEMBER_REMOVE", guild.id, data, intents.guildMembers));
      guild.members.delete(user.id);
      const gone = guildEvent(state, "GUILD_DELETE", guild.id, { id: guild.id });
      deliver({ ...gone, concerns: (bot) => bot.id === user.id });
    },

    /** An outage of one guild at Discord, and its end. */
    setUnavailable: (ref: Ref, unavailable: boolean): void => {
      const guild = state.guild(ref);
      guild.unavailable = unavailable;
      if (unavailable) return tell("GUILD_DELETE", guild.id, { id: guild.id, unavailable: true });
      for (const id of guild.members.keys()) if (state.bots.has(id)) announceGuild(state, deliver, guild, id);
    },

    renameGuild: (ref: Ref, change: { readonly name?: string; readonly preferredLocale?: string }): void => {
      const guild = state.guild(ref);
      guild.name = change.name ?? guild.name;
      guild.preferredLocale = change.preferredLocale ?? guild.preferredLocale;
      tell("GUILD_UPDATE", guild.id, guildPayload(guild));
    },

    addChannel: (ref: Ref, options: ChannelOptions): Channel => {
      const guild = state.guild(ref);
      const channel: Channel = {
        id: state.snowflakes.next(),
        type: channelTypes[options.type ?? "text"],
        guildId: guild.id,
        name: options.name,
        topic: options.topic ?? null,
        parentId: options.parent === undefined ? null : idOf(options.parent),
        nsfw: options.nsfw ?? false,
        position: state.channels.size,
        overwrites: (options.overwrites ?? []).map((one) => makeOverwrite(guild, one)),
        lastMessageId: null,
        recipients: [],
        thread: null,
      };
      state.channels.set(channel.id, channel);
      tell("CHANNEL_CREATE", guild.id, channelPayload(state, channel));
      return channel;
    },

    setChannel: (
      ref: Ref,
      change: Partial<Pick<ChannelOptions, "name" | "nsfw" | "topic" | "overwrites" | "parent">>,
    ): void => {
      const channel = state.channel(ref);
      if (channel.guildId === null) throw new Error("a direct conversation cannot be changed");
      const guild = state.guild(channel.guildId);
      channel.name = change.name ?? channel.name;
      channel.nsfw = change.nsfw ?? channel.nsfw;
      channel.topic = change.topic ?? channel.topic;
      if (change.parent !== undefined) channel.parentId = idOf(change.parent);
      if (change.overwrites !== undefined)
        channel.overwrites = change.overwrites.map((one) => makeOverwrite(guild, one));
      tell("CHANNEL_UPDATE", guild.id, channelPayload(state, channel));
    },

    removeChannel: (ref: Ref): void => {
      const channel = state.channel(ref);
      state.channels.delete(channel.id);
      if (channel.guildId === null) return;
      const name = channel.thread === null ? "CHANNEL_DELETE" : "THREAD_DELETE";
      tell(name, channel.guildId, channelPayload(state, channel));
    },

    /** What this user may do there, by name. */
    permissionsIn: (ref: Ref, userRef: Ref): Permission[] => {
      const bits = channelPermissions(state, state.channel(ref), idOf(userRef));
      return (Object.keys(permissions) as Permission[]).filter((name) => (bits & permissions[name]) !== 0n);
    },
  };
}

function makeRole(id: string, options: RoleOptions, position: number): Role {
  const { name, mentionable = false } = options;
  return { id, name, permissions: bitsOf(options.permissions ?? []), position, mentionable, botId: null };
}

/** The role that Discord makes for a bot when it comes in. */
function ownRole(state: State, guild: Guild, botId: string): string {
  const known = [...guild.roles.values()].find((role) => role.botId === botId);
  if (known !== undefined) return known.id;
  const { name } = state.bot(botId);
  const role = { ...makeRole(state.snowflakes.next(), { name }, guild.roles.size), botId };
  guild.roles.set(role.id, role);
  return role.id;
}

function makeOverwrite(guild: Guild, options: OverwriteOptions): Overwrite {
  const id = idOf(options.of);
  const kind = guild.roles.has(id) ? "role" : "member";
  return { id, kind, allow: bitsOf(options.allow ?? []), deny: bitsOf(options.deny ?? []) };
}
