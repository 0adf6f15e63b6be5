import type { Message } from "../world/message.ts";
import { messagePayload } from "../world/payloads.ts";
import { channelPermissions, permissions, type Permission } from "../world/permissions.ts";
import { readsAnyway } from "../world/posting.ts";
import type { Bot, Channel, Guild } from "../world/records.ts";
import type { State } from "../world/state.ts";
import { refusals } from "./api-error.ts";
import type { Call } from "./call.ts";

/** The channel of the path, or 10003; 50001 when the bot cannot see it. */
export function channelAt(call: Call, id = call.at["channel"] ?? ""): Channel {
  const channel = call.state.channels.get(id);
  if (channel === undefined) throw refusals.unknownChannel();
  if (!allows(call.state, channel, call.bot, "viewChannel")) throw refusals.noAccess();
  return channel;
}

/** 50013 unless the bot has all of these there. */
export function need(call: Call, channel: Channel, ...names: readonly Permission[]): void {
  for (const name of names) if (!allows(call.state, channel, call.bot, name)) throw refusals.noPermission();
}

export function allows(state: State, channel: Channel, bot: Bot, name: Permission): boolean {
  return (channelPermissions(state, channel, bot.id) & permissions[name]) !== 0n;
}

/** The message of the path, or 10008. */
export function messageAt(call: Call, channel: Channel, id = call.at["message"] ?? ""): Message {
  const message = call.state.messages.get(id);
  if (message === undefined || message.channelId !== channel.id || message.deletedAt !== null || message.ephemeral)
    throw refusals.unknownMessage();
  return message;
}

/** The guild of the path, or 10004; 50001 when the bot is not in it. */
export function guildAt(call: Call): Guild {
  const guild = call.state.guilds.get(call.at["guild"] ?? "");
  if (guild === undefined) throw refusals.unknownGuild();
  if (!guild.members.has(call.bot.id)) throw refusals.noAccess();
  return guild;
}

/** The message as this bot may read it: blank where it lacks the MessageContent intent. */
export function shown(state: State, message: Message, bot: Bot): object {
  return messagePayload(state, message, (one) => bot.privileged.includes("content") || readsAnyway(bot, one));
}
