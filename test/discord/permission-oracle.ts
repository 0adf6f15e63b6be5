import type { ChannelMap, GuildMap } from "../../src/discord/permissions.ts";

/** The bits that decide who reads; all fit into a number, which makes a hundred thousand guilds affordable. */
const administrator = 1 << 3;
const view = 1 << 10;
const history = 1 << 16;
const connect = 1 << 20;

/**
 * What Discord's documentation writes down, for the bits above and one member: https://docs.discord.com/developers/topics/permissions.
 * Written for numbers and without looking at the product.
 */
export function bitsOf(guild: GuildMap, channel: ChannelMap, person: string, roles: readonly string[]): number {
  if (person === guild.ownerId) return -1;
  let bits = Number(guild.roles.get(guild.guildId) ?? 0n);
  for (const role of roles) bits |= Number(guild.roles.get(role) ?? 0n);
  if ((bits & administrator) === administrator) return -1;

  for (const overwrite of channel.overwrites)
    if (overwrite.kind === "role" && overwrite.id === guild.guildId)
      bits = (bits & ~Number(overwrite.deny)) | Number(overwrite.allow);
  let [allow, deny] = [0, 0];
  for (const overwrite of channel.overwrites)
    if (overwrite.kind === "role" && overwrite.id !== guild.guildId && roles.includes(overwrite.id)) {
      allow |= Number(overwrite.allow);
      deny |= Number(overwrite.deny);
    }
  bits = (bits & ~deny) | allow;
  for (const overwrite of channel.overwrites)
    if (overwrite.kind === "member" && overwrite.id === person)
      bits = (bits & ~Number(overwrite.deny)) | Number(overwrite.allow);
  return bits;
}

/** Every member a guild could have: each set of its roles, held by the owner, by everyone named in an overwrite, and by a stranger. */
export function members(guild: GuildMap): { readonly person: string; readonly roles: readonly string[] }[] {
  const persons = new Set([guild.ownerId, "a stranger"]);
  const roles = new Set(guild.roles.keys());
  for (const { overwrites } of guild.channels.values())
    for (const { kind, id } of overwrites) (kind === "member" ? persons : roles).add(id);
  roles.delete(guild.guildId);
  const ids = [...roles];
  const sets = Array.from({ length: 1 << ids.length }, (_, set) => ids.filter((_id, at) => (set & (1 << at)) !== 0));
  return [...persons].flatMap((person) => sets.map((held) => ({ person, roles: held })));
}

/** For each channel, member by member: whether they can look into it now, and whether they can read all that was said in it. */
interface Readers {
  readonly channel: ChannelMap;
  readonly nsfw: boolean;
  readonly looks: readonly boolean[];
  readonly readsAll: readonly boolean[];
}

/** All pairs that `readableWhereverReadable` must allow, written "from here", found by asking every possible member. */
export function allowedPairs(guild: GuildMap): Set<string> {
  const known: Readers[] = [];
  const itself = [...guild.channels.keys()].map((id) => `${id} ${id}`);
  if (!guild.roles.has(guild.guildId)) return new Set(itself);
  const everybody = members(guild);
  for (const channel of guild.channels.values()) {
    const isThread = channel.kind.endsWith("thread");
    const place = isThread ? guild.channels.get(channel.parentId ?? "") : channel;
    if (place === undefined || (isThread && place.kind.endsWith("thread"))) continue;
    const toLook = place.kind === "voice" ? view | connect : view;
    const bits = everybody.map(({ person, roles }) => bitsOf(guild, place, person, roles));
    known.push({
      channel,
      nsfw: place.nsfw,
      looks: bits.map((each) => (each & toLook) === toLook),
      readsAll: bits.map((each) => (each & (toLook | history)) === (toLook | history)),
    });
  }
  const pairs = new Set(itself);
  for (const from of known)
    for (const here of known) {
      if (from.channel.kind === "private-thread" || (from.nsfw && !here.nsfw)) continue;
      if (here.looks.every((looks, at) => !looks || from.readsAll[at] === true))
        pairs.add(`${from.channel.id} ${here.channel.id}`);
    }
  return pairs;
}

/** A repeatable stream of numbers below `below` (mulberry32): a hundred thousand guilds take fast-check minutes. */
export function makeDice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A small guild in which everything that matters happens often: at most 5 roles, 4 channels and 2 member overwrites in each. */
export function randomGuild(dice: (below: number) => number): GuildMap {
  const guildId = "guild";
  const some = (odds: number, ...bits: readonly number[]) =>
    BigInt(bits.reduce((sum, bit) => sum | (dice(odds) === 0 ? bit : 0), 0));
  const roleIds = Array.from({ length: dice(6) }, (_, at) => `role ${at}`);
  const roles = new Map(roleIds.map((id) => [id, some(3, view, history, connect) | some(12, administrator)]));
  roles.set(guildId, dice(3) === 0 ? some(2, view, history, connect) : BigInt(view | history | connect));
  if (dice(40) === 0) roles.set(guildId, BigInt(administrator));
  if (dice(60) === 0) roles.delete(guildId);
  const persons = ["ann", "bo", "owner"];
  const overwrite = (kind: "role" | "member", id: string) => ({
    kind,
    id,
    allow: some(3, view, history, connect),
    deny: some(3, view, history, connect),
  });
  const channels = new Map<string, ChannelMap>();
  for (let at = 1 + dice(4); at > 0; at--) {
    const id = `channel ${at}`;
    const kind = (["channel", "channel", "channel", "voice", "public-thread", "private-thread"] as const)[dice(6)];
    const candidates = [...roleIds, ...(dice(2) === 0 ? [guildId] : []), ...(dice(20) === 0 ? ["a new role"] : [])];
    const named = [
      ...candidates.filter(() => dice(2) === 0).map((role) => overwrite("role", role)),
      ...persons.slice(0, dice(3)).map((_, first) => overwrite("member", persons[(first + dice(2)) % 3] ?? "ann")),
    ];
    const earlier = [...channels.values()][0]?.overwrites;
    channels.set(id, {
      id,
      kind: kind ?? "channel",
      parentId: dice(8) === 0 ? null : `channel ${1 + dice(5)}`,
      nsfw: dice(5) === 0,
      overwrites: earlier !== undefined && dice(4) === 0 ? earlier : named.filter(isFirst),
    });
  }
  return { guildId, ownerId: "owner", roles, channels };
}

function isFirst(each: { readonly id: string }, at: number, all: readonly { readonly id: string }[]): boolean {
  return all.findIndex(({ id }) => id === each.id) === at;
}
