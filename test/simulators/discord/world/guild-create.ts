import type { Deliver } from "./events.ts";
import { intents } from "./events.ts";
import { channelPayload, guildPayload, memberPayload, userPayload } from "./payloads.ts";
import { channelPermissions, permissions } from "./permissions.ts";
import type { Channel, Guild } from "./records.ts";
import type { State } from "./state.ts";

/** The whole of a guild as GUILD_CREATE brings it: every channel, the threads this bot can see, itself as the only member. */
export function guildCreatePayload(state: State, guild: Guild, botId: string): object {
  const member = guild.members.get(botId);
  const channels = channelsOf(state, guild);
  const own = { ...(member === undefined ? {} : memberPayload(member)), user: userPayload(state.user(botId)) };
  return {
    ...guildPayload(guild),
    joined_at: new Date(member?.joinedAt ?? state.now()).toISOString(),
    large: guild.members.size > 50,
    unavailable: false,
    member_count: guild.members.size,
    voice_states: [],
    members: [own],
    channels: channels.filter((one) => one.thread === null).map((one) => channelPayload(state, one)),
    threads: activeThreads(state, guild, botId).map((one) => channelPayload(state, one)),
    presences: [],
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: [],
  };
}

export function channelsOf(state: State, guild: Guild): Channel[] {
  return [...state.channels.values()].filter((channel) => channel.guildId === guild.id);
}

export function activeThreads(state: State, guild: Guild, botId: string): Channel[] {
  return channelsOf(state, guild).filter(
    (one) =>
      one.thread !== null &&
      !one.thread.archived &&
      (channelPermissions(state, one, botId) & permissions.viewChannel) !== 0n,
  );
}

/** Tells one bot that it is in this guild now. */
export function announceGuild(state: State, deliver: Deliver, guild: Guild, botId: string): void {
  deliver({
    name: "GUILD_CREATE",
    guildId: guild.id,
    intent: intents.guilds,
    concerns: (bot) => bot.id === botId,
    data: () => guildCreatePayload(state, guild, botId),
  });
}
