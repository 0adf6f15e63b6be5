/** What a guild's permissions follow from, without its members: small enough to be kept for thousands of guilds. */
export interface GuildMap {
  readonly guildId: string;
  readonly ownerId: string;
  /** Role id to permissions; @everyone has the guild's id. */
  readonly roles: ReadonlyMap<string, bigint>;
  readonly channels: ReadonlyMap<string, ChannelMap>;
}

export interface ChannelMap {
  readonly id: string;
  /** The category of a channel, the channel of a thread. */
  readonly parentId: string | null;
  /** `voice` is a voice or stage channel, whose chat is read by those who may also connect. */
  readonly kind: "channel" | "voice" | "public-thread" | "private-thread";
  /** Of a thread its parent's counts. */
  readonly nsfw: boolean;
  readonly overwrites: readonly Overwrite[];
}

export interface Overwrite {
  readonly id: string;
  readonly kind: "role" | "member";
  readonly allow: bigint;
  readonly deny: bigint;
}

/** The bits of Discord's permissions that this program asks about. */
export const permission = {
  administrator: 1n << 3n,
  manageChannels: 1n << 4n,
  manageGuild: 1n << 5n,
  addReactions: 1n << 6n,
  viewChannel: 1n << 10n,
  sendMessages: 1n << 11n,
  sendTtsMessages: 1n << 12n,
  manageMessages: 1n << 13n,
  embedLinks: 1n << 14n,
  attachFiles: 1n << 15n,
  readMessageHistory: 1n << 16n,
  mentionEveryone: 1n << 17n,
  useExternalEmojis: 1n << 18n,
  connect: 1n << 20n,
  manageWebhooks: 1n << 29n,
  manageThreads: 1n << 34n,
  createPublicThreads: 1n << 35n,
  sendMessagesInThreads: 1n << 38n,
  moderateMembers: 1n << 40n,
} as const;

/** Every bit there is or will be, as far as Discord's 64 go. */
const everything = (1n << 64n) - 1n;
/** Goes with the permission to send. */
const ofSending =
  permission.mentionEveryone | permission.sendTtsMessages | permission.attachFiles | permission.embedLinks;

/**
 * What a member may do in a channel, as Discord computes it: 0n in a channel that is unknown or that they cannot view. In a thread the
 * parent's permissions hold and `sendMessages` says what `sendMessagesInThreads` says; a private one is judged as if they were in it,
 * because who was added cannot be known here. A role that the map does not know has only its overwrites. A time-out is not looked at.
 */
export function permissionsIn(
  guild: GuildMap,
  channelId: string,
  member: { readonly id: string; readonly roles: readonly string[] },
): bigint {
  const place = placeOf(guild, channelId);
  if (place === null) return 0n;
  const held = new Set(member.roles);
  held.delete(guild.guildId);
  let bits = guild.roles.get(guild.guildId) ?? 0n;
  for (const role of held) bits |= guild.roles.get(role) ?? 0n;
  if (member.id === guild.ownerId || (bits & permission.administrator) !== 0n) return everything;
  const { overwrites } = place.rules;
  const layers = [
    overwrites.filter(({ kind, id }) => kind === "role" && id === guild.guildId),
    overwrites.filter(({ kind, id }) => kind === "role" && held.has(id)),
    overwrites.filter(({ kind, id }) => kind === "member" && id === member.id),
  ];
  for (const layer of layers) {
    for (const { deny } of layer) bits &= ~deny;
    for (const { allow } of layer) bits |= allow;
  }
  return withoutImplied(bits, place);
}

/** Takes away what Discord takes away together with another permission. */
function withoutImplied(bits: bigint, { channel, rules }: Place): bigint {
  if ((bits & permission.viewChannel) === 0n) return 0n;
  if (rules.kind === "voice" && (bits & permission.connect) === 0n) return permission.viewChannel;
  let left = bits;
  if (channel !== rules) {
    const maySend = (bits & permission.sendMessagesInThreads) !== 0n;
    left = maySend ? bits | permission.sendMessages : bits & ~permission.sendMessages;
  }
  return (left & permission.sendMessages) === 0n ? left & ~ofSending : left;
}

/** A channel and the one whose overwrites and age limit hold in it: itself, or the parent of a thread. */
interface Place {
  readonly channel: ChannelMap;
  readonly rules: ChannelMap;
}

/** Null for what cannot be judged: an unknown channel, a thread without its parent. */
function placeOf(guild: GuildMap, channelId: string): Place | null {
  const channel = guild.channels.get(channelId);
  if (channel === undefined) return null;
  if (!isThread(channel)) return { channel, rules: channel };
  const parent = guild.channels.get(channel.parentId ?? "");
  return parent === undefined || isThread(parent) ? null : { channel, rules: parent };
}

function isThread({ kind }: ChannelMap): boolean {
  return kind === "public-thread" || kind === "private-thread";
}

/**
 * Whether what was written in `from` may be used in an answer in `here`: true exactly if everyone who can read in `here` can read `from`
 * with its history. Everyone is the owner, whoever has a member overwrite, and anybody else, each with any set of the guild's roles. A
 * channel's own memories are always its readers'; a private thread's are nobody else's; nothing age-restricted goes where there is no
 * restriction; and nothing is readable that the map does not know. Into a private thread goes what may go into its parent.
 */
export function readableWhereverReadable(guild: GuildMap, from: string, here: string): boolean {
  if (from === here) return true;
  const [source, target] = [placeOf(guild, from), placeOf(guild, here)];
  return source !== null && target !== null && source.channel.kind !== "private-thread"
    ? isOpenTo(rankAndFile(guild), source.rules, target.rules)
    : false;
}

/** Every channel and public thread whose memories may be used in `here`, by `readableWhereverReadable`, in the order of the map. */
export function readableChannels(guild: GuildMap, here: string): readonly string[] {
  const target = placeOf(guild, here);
  const people = rankAndFile(guild);
  const open = new Map<string, boolean>();
  return [...guild.channels.keys()].filter((from) => {
    if (from === here) return true;
    const source = placeOf(guild, from);
    if (source === null || target === null || source.channel.kind === "private-thread") return false;
    const key = fingerprint(source.rules);
    const known = open.get(key) ?? isOpenTo(people, source.rules, target.rules);
    open.set(key, known);
    return known;
  });
}

/** The same for channels that are read by the same people: most of a guild's channels repeat their category's overwrites. */
function fingerprint({ kind, nsfw, overwrites }: ChannelMap): string {
  const stances = overwrites.map((each) => `${each.kind} ${each.id} ${flags(each.allow)} ${flags(each.deny)}`);
  return [kind, nsfw, ...stances.sort()].join("\n");
}

/** The permissions that decide who reads, as small numbers: a channel is compared with hundreds of others, and bigints are slow. */
const view = 1;
const history = 2;
const connect = 4;

function flags(bits: bigint): number {
  const flag = (bit: bigint, value: number) => ((bits & bit) === 0n ? 0 : value);
  return (
    flag(permission.viewChannel, view) |
    flag(permission.readMessageHistory, history) |
    flag(permission.connect, connect)
  );
}

/** The roles of those who need permission to read; owner and administrators read everything and are left out. */
interface People {
  readonly guildId: string;
  readonly ownerId: string;
  /** Null when @everyone is unknown, and nobody can be judged. */
  readonly everyone: number | null;
  readonly everyoneReads: boolean;
  readonly roles: ReadonlyMap<string, number>;
  readonly administrators: ReadonlySet<string>;
}

function rankAndFile({ guildId, ownerId, roles }: GuildMap): People {
  const everyone = roles.get(guildId);
  const leads = (bits: bigint) => (bits & permission.administrator) !== 0n;
  const plain = [...roles].filter(([id, bits]) => id !== guildId && !leads(bits));
  return {
    guildId,
    ownerId,
    everyone: everyone === undefined ? null : flags(everyone),
    everyoneReads: everyone !== undefined && leads(everyone),
    roles: new Map(plain.map(([id, bits]) => [id, flags(bits)])),
    administrators: new Set([...roles].filter(([, bits]) => leads(bits)).map(([id]) => id)),
  };
}

/**
 * How a role or a person stands in a pair of channels, packed into one number of five fields of three flags: what it has in the guild,
 * what `here` and what `from` allow it and deny it. Whatever stands alike counts once: hundreds of roles become a handful.
 */
type Stance = number;
const field = 3;
const [allowHere, denyHere, allowFrom, denyFrom] = [field, 2 * field, 3 * field, 4 * field];

interface Side {
  readonly allow: number;
  readonly deny: number;
}
const [hereSide, fromSide]: readonly [Side, Side] = [
  { allow: allowHere, deny: denyHere },
  { allow: allowFrom, deny: denyFrom },
];

function isOpenTo(people: People, from: ChannelMap, here: ChannelMap): boolean {
  if (people.everyone === null || (from.nsfw && !here.nsfw)) return false;
  if (people.everyoneReads) return true;
  const persons = new Set<Stance>([0]);
  for (const [id, stance] of stancesOf("member", from, here)) if (id !== people.ownerId) persons.add(stance);
  const mentioned = stancesOf("role", from, here);
  const everyone = people.everyone | (mentioned.get(people.guildId) ?? 0);
  const roles = new Set<Stance>();
  for (const [id, held] of people.roles) roles.add(held | (mentioned.get(id) ?? 0));
  // An overwrite of a role that is not known yet: somebody may have it.
  for (const [id, stance] of mentioned)
    if (id !== people.guildId && !people.roles.has(id) && !people.administrators.has(id)) roles.add(stance);
  const toReadHere = here.kind === "voice" ? [view, connect] : [view];
  const toReadFrom = from.kind === "voice" ? [view, history, connect] : [view, history];
  return ![...persons].some((person) => {
    const readers = toReadHere
      .map((flag) => ways(true, flag, hereSide, person, everyone))
      .reduce((some, others) => some.flatMap((one) => others.map((other) => [...one, ...other])), [[]] as Way[]);
    const blind = toReadFrom.flatMap((flag) => ways(false, flag, fromSide, person, everyone));
    return readers.some((one) => blind.some((other) => isPossible([...one, ...other], roles)));
  });
}

function stancesOf(kind: Overwrite["kind"], from: ChannelMap, here: ChannelMap): Map<string, Stance> {
  const stances = new Map<string, Stance>();
  const read = (channel: ChannelMap, { allow, deny }: Side) => {
    for (const each of channel.overwrites.filter((overwrite) => overwrite.kind === kind)) {
      const stance = (flags(each.allow) << allow) | (flags(each.deny) << deny);
      stances.set(each.id, (stances.get(each.id) ?? 0) | stance);
    }
  };
  read(here, hereSide);
  read(from, fromSide);
  return stances;
}

/** What a set of roles must be like: none in it with any flag of `none`, and if `some` is not 0, one in it with that flag. */
interface Demand {
  readonly none: Stance;
  readonly some: Stance;
}
/** Demands on one set of roles that must hold together. */
type Way = readonly Demand[];

/**
 * All ways in which a person comes to have a permission in a channel, or to lack it. Overwrites are applied in the order @everyone, all
 * denials of roles, all allowances of roles, the person; the last word counts, so it is asked for from the end.
 */
function ways(has: boolean, flag: number, { allow, deny }: Side, person: Stance, everyone: Stance): Way[] {
  const [allowed, denied] = [flag << allow, flag << deny];
  if ((person & (allowed | denied)) !== 0) return ((person & allowed) !== 0) === has ? [[]] : [];
  const ruled = (everyone & (allowed | denied)) !== 0;
  const byDefault = ruled ? (everyone & allowed) !== 0 : (everyone & flag) !== 0;
  if (has) {
    const undenied = byDefault ? [{ none: denied, some: 0 }] : ruled ? [] : [{ none: denied, some: flag }];
    return [{ none: 0, some: allowed }, ...undenied].map((demand) => [demand]);
  }
  const unhelped = byDefault ? [] : [{ none: ruled ? allowed : allowed | flag, some: 0 }];
  return [{ none: allowed, some: denied }, ...unhelped].map((demand) => [demand]);
}

/** Whether some set of these roles meets all demands: one role for each `some` is enough, and more would only be in the way. */
function isPossible(way: Way, roles: ReadonlySet<Stance>): boolean {
  const none = way.reduce((flagsOfAll, demand) => flagsOfAll | demand.none, 0);
  const eligible = [...roles].filter((role) => (role & none) === 0);
  return way.every(({ some }) => some === 0 || eligible.some((role) => (role & some) !== 0));
}
