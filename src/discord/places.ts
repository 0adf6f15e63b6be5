import type { Notices } from "../connections/notices.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Audience, Snowflake } from "../envelope.ts";
import { permission, readableChannels, type ChannelMap, type GuildMap } from "./permissions.ts";

/** A channel as it is stored. */
export interface StoredChannel {
  readonly channelId: Snowflake;
  /** Null: a direct conversation. */
  readonly guildId: Snowflake | null;
  readonly parentId: Snowflake | null;
  readonly kind: "channel" | "voice" | "public-thread" | "private-thread" | "direct";
  readonly name: string;
  readonly nsfw: boolean;
  readonly overwrites: readonly { id: string; kind: "role" | "member"; allow: string; deny: string }[];
}

export interface StoredGuild {
  readonly guildId: Snowflake;
  readonly name: string;
  readonly ownerId: Snowflake;
  readonly locale: string | null;
  /** Role id to permissions in decimal. */
  readonly roles: Readonly<Record<string, string>>;
}

/** A guild with its channels, as permissions are computed from it, and the roles of our own member. */
export interface Place {
  readonly guild: GuildMap;
  readonly ownRoles: readonly string[];
}

/** Where a message was written, as it is stored. */
export interface Where {
  readonly channelId: Snowflake;
  readonly kind: "channel" | "voice" | "public-thread" | "private-thread" | "direct";
  readonly name: string;
  readonly parentId: Snowflake | null;
  readonly parentName: string | null;
  readonly guildId: Snowflake | null;
  readonly guildName: string | null;
  readonly locale: string | null;
  /** The roles of our own member. */
  readonly ownRoles: readonly string[];
  readonly audience: Audience;
}

/** The channel that memories of this place belong to: of a public thread its parent. */
export function homeOf(where: Where): { readonly channelId: Snowflake; readonly channelName: string } {
  const { kind, parentId, parentName, channelId, name } = where;
  return kind === "public-thread" && parentId !== null
    ? { channelId: parentId, channelName: parentName ?? "unknown" }
    : { channelId, channelName: name };
}

/** What becomes of that which is known already: what was looked up may be older than that by the time it is stored. */
type Known = "replaced" | "kept";

/** Stores a guild; the roles of our own member only when they are known. */
export async function storeGuild(
  sql: Sql,
  guild: StoredGuild,
  ownRoles: readonly string[] | null,
  known: Known = "replaced",
): Promise<void> {
  const replacing = `do update set name = excluded.name, owner_id = excluded.owner_id, locale = excluded.locale,
       roles = excluded.roles, own_roles = coalesce($6::bigint[], guilds.own_roles)`;
  await sql.query(
    `insert into guilds (guild_id, name, owner_id, locale, roles, own_roles) values ($1, $2, $3, $4, $5, coalesce($6::bigint[], '{}'))
     on conflict (guild_id) ${known === "kept" ? "do nothing" : replacing}`,
    [guild.guildId, guild.name, guild.ownerId, guild.locale, JSON.stringify(guild.roles), ownRoles],
  );
}

/** Stores channels; how far they were heard stays as it is. */
export async function storeChannels(
  sql: Sql,
  channels: readonly StoredChannel[],
  known: Known = "replaced",
): Promise<void> {
  if (channels.length === 0) return;
  const rows = channels.map((one) => ({
    channel_id: one.channelId,
    guild_id: one.guildId,
    parent_id: one.parentId,
    kind: one.kind,
    name: one.name,
    nsfw: one.nsfw,
    overwrites: one.overwrites,
  }));
  const replacing = `do update set guild_id = excluded.guild_id, parent_id = excluded.parent_id, kind = excluded.kind,
       name = excluded.name, nsfw = excluded.nsfw, overwrites = excluded.overwrites`;
  await sql.query(
    `insert into channels (channel_id, guild_id, parent_id, kind, name, nsfw, overwrites)
     select channel_id, guild_id, parent_id, kind, name, nsfw, overwrites from json_populate_recordset(null::channels, $1::json)
     on conflict (channel_id) ${known === "kept" ? "do nothing" : replacing}`,
    [JSON.stringify(rows)],
  );
}

/** Forgets the channels of a guild that are not among `kept`; null forgets the guild itself as well. */
export async function dropChannels(sql: Sql, guildId: Snowflake, kept: readonly Snowflake[] | null): Promise<void> {
  // A thread that is not listed is archived, not gone.
  const all = kept === null ? "" : "and kind in ('channel', 'voice') and channel_id <> all($2::bigint[])";
  await sql.query(`delete from channels where guild_id = $1 ${all}`, kept === null ? [guildId] : [guildId, kept]);
  if (kept === null) await sql.query("delete from guilds where guild_id = $1", [guildId]);
}

/** Guilds as they are now, each read from Postgres at most once in a while and whenever `changed` says so. */
export interface Places {
  /** Null: nothing is known of this guild; whoever asks for a permission must then deny it. */
  of(guildId: Snowflake): Promise<Place | null>;
  changed(guildId: Snowflake): void;
  /** Has the other processes look again at these guilds once `tx` has committed. */
  tell(tx: Sql, guildIds: Iterable<Snowflake>): Promise<void>;
  /** The channels whose memories may be used in this one, besides its own. None when the guild is not known. */
  readableFrom(guildId: Snowflake, channelId: Snowflake): Promise<readonly Snowflake[]>;
}

/** A notice holds fewer than 8,000 characters. */
const mostTold = 300;

/** `freshMs`: how long a guild is believed without another look, should a notice of its change be lost. */
export function makePlaces(
  database: Sql,
  notices: Pick<Notices, "send" | "on">,
  freshMs: number,
  mostGuilds = 200,
): Places {
  const known = new Map<Snowflake, { readonly place: Promise<Place | null>; readonly until: number }>();
  const of = (guildId: Snowflake): Promise<Place | null> => {
    const found = known.get(guildId);
    if (found !== undefined && found.until > performance.now()) return found.place;
    const place = readPlace(database, guildId);
    known.delete(guildId);
    known.set(guildId, { place, until: performance.now() + freshMs });
    place.catch(() => known.delete(guildId));
    const [oldest] = known.keys();
    if (known.size > mostGuilds && oldest !== undefined) known.delete(oldest);
    return place;
  };
  notices.on("place", (guildIds) => {
    if (guildIds === null) known.clear();
    for (const guildId of guildIds ?? []) known.delete(guildId);
  });
  return {
    of,
    changed: (guildId) => void known.delete(guildId),
    tell: async (tx, guildIds) => {
      const all = [...guildIds];
      for (let from = 0; from < all.length; from += mostTold)
        await notices.send(tx, "place", all.slice(from, from + mostTold));
    },
    readableFrom: async (guildId, channelId) => {
      const place = await of(guildId);
      return place === null ? [] : readableChannels(place.guild, channelId);
    },
  };
}

async function readPlace(sql: Sql, guildId: Snowflake): Promise<Place | null> {
  const [guild] = await sql.query<{ owner_id: string; roles: Record<string, string>; own_roles: string[] }>(
    "select owner_id, roles, own_roles::text[] from guilds where guild_id = $1",
    [guildId],
  );
  if (guild === undefined) return null;
  const channels = await sql.query<{
    channel_id: string;
    parent_id: string | null;
    kind: ChannelMap["kind"];
    nsfw: boolean;
    overwrites: StoredChannel["overwrites"];
  }>("select channel_id, parent_id, kind, nsfw, overwrites from channels where guild_id = $1", [guildId]);
  return {
    ownRoles: guild.own_roles,
    guild: {
      guildId,
      ownerId: guild.owner_id,
      roles: new Map(Object.entries(guild.roles).map(([id, bits]) => [id, BigInt(bits)])),
      channels: new Map(
        channels.map((row) => [
          row.channel_id,
          {
            id: row.channel_id,
            parentId: row.parent_id,
            kind: row.kind,
            nsfw: row.nsfw,
            overwrites: row.overwrites.map((one) => ({ ...one, allow: BigInt(one.allow), deny: BigInt(one.deny) })),
          },
        ]),
      ),
    },
  };
}

/** Whether everyone in the guild may read a channel: what `/memory` and receipts call it, never what recall decides by. */
export function audienceOf(place: Place, channelId: Snowflake): Audience {
  const { guild } = place;
  const channel = guild.channels.get(channelId);
  const home = channel?.kind === "public-thread" ? guild.channels.get(channel.parentId ?? "") : channel;
  if (home === undefined || home.kind === "private-thread") return "private";
  const everyone = home.overwrites.find(({ id }) => id === guild.guildId);
  const base = guild.roles.get(guild.guildId) ?? 0n;
  const bits = (base & ~(everyone?.deny ?? 0n)) | (everyone?.allow ?? 0n);
  return (bits & permission.viewChannel) === 0n ? "private" : "public";
}
