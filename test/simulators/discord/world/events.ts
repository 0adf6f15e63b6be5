import type { Bot, Channel } from "./records.ts";
import { channelPermissions, permissions } from "./permissions.ts";
import type { State } from "./state.ts";

/** The bits of the gateway's intents. */
export const intents = {
  guilds: 1 << 0,
  guildMembers: 1 << 1,
  guildPresences: 1 << 8,
  guildMessages: 1 << 9,
  guildMessageReactions: 1 << 10,
  guildMessageTyping: 1 << 11,
  directMessages: 1 << 12,
  directMessageReactions: 1 << 13,
  directMessageTyping: 1 << 14,
  messageContent: 1 << 15,
} as const;

/** Something that happened, for whoever may hear of it. */
export interface GatewayEvent {
  readonly name: string;
  /** Decides the shard; null is shard 0. */
  readonly guildId: string | null;
  /** The intent without which it is withheld; 0 if none is needed. */
  readonly intent: number;
  readonly concerns: (bot: Bot) => boolean;
  /** As seen by this bot, through a session with these intents. */
  readonly data: (bot: Bot, intents: number) => object;
}

/** Gives an event to every session that should have it. */
export type Deliver = (event: GatewayEvent) => void;

/** An event about a guild, for the bots in it. */
export function guildEvent(state: State, name: string, guildId: string, data: object, intent: number = intents.guilds) {
  const concerns = (bot: Bot) => state.guilds.get(guildId)?.members.has(bot.id) === true;
  return { name, guildId, intent, concerns, data: () => data } satisfies GatewayEvent;
}

/** An event inside a channel, for the bots that can see it. */
export function channelEvent(
  state: State,
  channel: Channel,
  name: string,
  intent: { readonly guild: number; readonly direct: number },
  data: GatewayEvent["data"],
): GatewayEvent {
  return {
    name,
    guildId: channel.guildId,
    intent: channel.guildId === null ? intent.direct : intent.guild,
    concerns: (bot) => (channelPermissions(state, channel, bot.id) & permissions.viewChannel) !== 0n,
    data,
  };
}
