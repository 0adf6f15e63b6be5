import type { Channel, Guild, Member } from "./records.ts";
import type { State } from "./state.ts";

const bit = (position: number) => 1n << BigInt(position);

/** The permissions that the simulator looks at; any other bit may be set and is reported as it is. */
export const permissions = {
  administrator: bit(3),
  manageChannels: bit(4),
  manageGuild: bit(5),
  addReactions: bit(6),
  viewChannel: bit(10),
  sendMessages: bit(11),
  manageMessages: bit(13),
  embedLinks: bit(14),
  attachFiles: bit(15),
  readMessageHistory: bit(16),
  mentionEveryone: bit(17),
  manageRoles: bit(28),
  manageWebhooks: bit(29),
  useApplicationCommands: bit(31),
  manageThreads: bit(34),
  createPublicThreads: bit(35),
  createPrivateThreads: bit(36),
  sendMessagesInThreads: bit(38),
} as const;

export type Permission = keyof typeof permissions;

export function bitsOf(names: readonly Permission[]): bigint {
  return names.reduce((bits, name) => bits | permissions[name], 0n);
}

const everything = (1n << 50n) - 1n;
const whileTimedOut = bitsOf(["viewChannel", "readMessageHistory"]);
const inDirectConversations = everything & ~bitsOf(["mentionEveryone", "manageMessages", "manageWebhooks"]);

/** What @everyone may do in a new guild: yes, also mention everyone. */
export const ofNewGuilds = bitsOf([
  "addReactions",
  "viewChannel",
  "sendMessages",
  "embedLinks",
  "attachFiles",
  "readMessageHistory",
  "mentionEveryone",
  "useApplicationCommands",
  "createPublicThreads",
  "createPrivateThreads",
  "sendMessagesInThreads",
]);

/** What this user may do in the guild before any channel has a say; nothing when not a member. */
export function guildPermissions(guild: Guild, userId: string): bigint {
  const member = guild.members.get(userId);
  if (member === undefined) return 0n;
  if (guild.ownerId === userId) return everything;
  let bits = guild.roles.get(guild.id)?.permissions ?? 0n;
  for (const id of member.roles) bits |= guild.roles.get(id)?.permissions ?? 0n;
  return (bits & permissions.administrator) === 0n ? bits : everything;
}

/** What this user may do in the channel, by Discord's order: roles, then overwrites of everyone, of roles, of the member. */
export function channelPermissions(state: State, channel: Channel, userId: string): bigint {
  if (channel.guildId === null) return channel.recipients.includes(userId) ? inDirectConversations : 0n;
  const guild = state.guild(channel.guildId);
  const member = guild.members.get(userId);
  if (member === undefined) return 0n;
  const base = guildPermissions(guild, userId);
  if (base === everything) return everything;
  const place = channel.thread === null ? channel : (state.channels.get(channel.parentId ?? "") ?? channel);
  let bits = applyOverwrites(place, guild, member, base);
  if (member.timeoutUntil !== null && member.timeoutUntil > state.now()) bits &= whileTimedOut;
  if ((bits & permissions.viewChannel) === 0n) return 0n;
  if (channel.thread === null) return bits;
  if (channel.type === 12 && !channel.thread.members.has(userId) && (bits & permissions.manageThreads) === 0n)
    return 0n;
  const speaks = (bits & permissions.sendMessagesInThreads) !== 0n;
  return speaks ? bits | permissions.sendMessages : bits & ~permissions.sendMessages;
}

export function may(state: State, channel: Channel, userId: string, permission: Permission): boolean {
  return (channelPermissions(state, channel, userId) & permissions[permission]) !== 0n;
}

function applyOverwrites(channel: Channel, guild: Guild, member: Member, base: bigint): bigint {
  const pick = (wanted: (id: string) => boolean, kind: "role" | "member") =>
    channel.overwrites.filter((one) => one.kind === kind && wanted(one.id));
  const steps = [
    pick((id) => id === guild.id, "role"),
    pick((id) => id !== guild.id && member.roles.includes(id), "role"),
    pick((id) => id === member.userId, "member"),
  ];
  return steps.reduce((bits, step) => {
    const deny = step.reduce((sum, one) => sum | one.deny, 0n);
    const allow = step.reduce((sum, one) => sum | one.allow, 0n);
    return (bits & ~deny) | allow;
  }, base);
}
