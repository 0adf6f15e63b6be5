import type { Database, Sql } from "../connections/postgres.ts";
import { flat } from "../discord/clean.ts";
import { DiscordRefused } from "../discord/failures.ts";
import {
  audienceOf,
  storeChannels,
  storeGuild,
  type Places,
  type StoredChannel,
  type StoredGuild,
  type Where,
} from "../discord/places.ts";
import type { DiscordRest } from "../discord/rest.ts";
import type { Snowflake } from "../envelope.ts";
import type { Logger } from "../log.ts";
import { readChannel, readGuild, readRoles, type WireChannel, type WireGuild } from "./dispatch.ts";

const dm = 1;
const voice = new Set([2, 13]);
const threads: Readonly<Record<number, StoredChannel["kind"]>> = {
  10: "public-thread",
  11: "public-thread",
  12: "private-thread",
};

/** A channel of Discord as it is stored. */
export function toStoredChannel(channel: WireChannel): StoredChannel {
  const overwrites = (channel.permission_overwrites ?? []).map(({ id, type, allow, deny }) => ({
    id,
    kind: type === 0 ? ("role" as const) : ("member" as const),
    allow,
    deny,
  }));
  return {
    channelId: channel.id,
    guildId: channel.guild_id ?? null,
    parentId: channel.parent_id ?? null,
    kind: channel.type === dm ? "direct" : (threads[channel.type] ?? (voice.has(channel.type) ? "voice" : "channel")),
    name: flat(channel.name ?? "") || "unnamed",
    nsfw: channel.nsfw ?? false,
    overwrites,
  };
}

/** A guild of Discord as it is stored. */
export function toStoredGuild(guild: WireGuild): StoredGuild {
  return {
    guildId: guild.id,
    name: flat(guild.name) || "unnamed",
    ownerId: guild.owner_id,
    locale: guild.preferred_locale ? flat(guild.preferred_locale) : null,
    roles: Object.fromEntries(guild.roles.map(({ id, permissions }) => [id, permissions])),
  };
}

/** Something that happened in a channel: a message, an interaction. */
interface Placed {
  readonly channel_id: string;
  readonly guild_id?: string | undefined;
}

/** What is needed to look a place up. */
interface Looking {
  readonly database: Database;
  readonly rest: DiscordRest;
  readonly places: Places;
  readonly self: () => { readonly userId: Snowflake };
  readonly log: Logger;
}

/** Where these were written, by channel; what is not known yet is fetched, and what cannot be known counts as private. */
export async function locate(
  options: Looking,
  placed: readonly Placed[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Snowflake, Where>> {
  await ensureChannels(options, placed, signal);
  const known = await whereOf(options.database, [...new Set(placed.map((one) => one.channel_id))]);
  const wheres = new Map<Snowflake, Where>();
  for (const one of placed) {
    const found = known.get(one.channel_id);
    const guildId = found?.guildId ?? one.guild_id ?? null;
    const place = guildId === null ? null : await options.places.of(guildId);
    const audience: Where["audience"] =
      found?.kind === "direct" ? "direct" : place === null ? "private" : audienceOf(place, one.channel_id);
    wheres.set(one.channel_id, { ...(found ?? unknownPlace(one)), guildId, audience });
  }
  return wheres;
}

/** Nothing is known of the channel. */
function unknownPlace({ channel_id: channelId, guild_id: guildId }: Placed): Omit<Where, "audience"> {
  return {
    channelId,
    kind: guildId === undefined ? "direct" : "channel",
    name: "unknown",
    parentId: null,
    parentName: null,
    guildId: guildId ?? null,
    guildName: null,
    locale: null,
    ownRoles: [],
  };
}

/** What is stored about channels, by their ids; those that are not known are missing. */
async function whereOf(
  sql: Sql,
  channelIds: readonly Snowflake[],
): Promise<ReadonlyMap<Snowflake, Omit<Where, "audience">>> {
  const rows = await sql.query<{
    channel_id: string;
    kind: Where["kind"];
    name: string;
    parent_id: string | null;
    parent_name: string | null;
    guild_id: string | null;
    guild_name: string | null;
    locale: string | null;
    own_roles: string[] | null;
  }>(
    `select c.channel_id, c.kind, c.name, p.channel_id as parent_id, p.name as parent_name, c.guild_id, g.name as guild_name, g.locale,
       g.own_roles::text[] as own_roles
     from channels c left join channels p on p.channel_id = c.parent_id left join guilds g on g.guild_id = c.guild_id
     where c.channel_id = any($1::bigint[])`,
    [channelIds],
  );
  return new Map(
    rows.map((row) => [
      row.channel_id,
      {
        channelId: row.channel_id,
        kind: row.kind,
        name: row.name,
        parentId: row.parent_id,
        parentName: row.parent_name,
        guildId: row.guild_id,
        guildName: row.guild_name,
        locale: row.locale,
        ownRoles: row.own_roles ?? [],
      },
    ]),
  );
}

/** Fetches what is not known yet of these channels and of their guilds: after a resume Discord tells nothing of them. */
async function ensureChannels(options: Looking, placed: readonly Placed[], signal: AbortSignal): Promise<void> {
  const { database, places } = options;
  const wanted = new Map(placed.map((one) => [one.channel_id, one.guild_id ?? null]));
  const known = await whereOf(database, [...wanted.keys()]);
  for (const [channelId, guildId] of wanted) {
    if (known.has(channelId)) continue;
    if (guildId === null) {
      const channel = await fetchOrNull(options, `/channels/${channelId}`, signal);
      const read = readChannel(channel);
      const direct = { id: channelId, type: dm, name: "direct message" };
      const found = read === null ? direct : { ...read, name: read.name ?? "direct message" };
      await storeChannels(database, [toStoredChannel(found)], "kept");
      continue;
    }
    if ((await places.of(guildId)) === null) await fetchGuild(options, guildId, signal);
    const channel = readChannel(await fetchOrNull(options, `/channels/${channelId}`, signal));
    if (channel !== null) await storeChannels(database, [toStoredChannel({ ...channel, guild_id: guildId })], "kept");
    places.changed(guildId);
  }
}

async function fetchGuild(options: Looking, guildId: Snowflake, signal: AbortSignal): Promise<void> {
  const guild = readGuild(await fetchOrNull(options, `/guilds/${guildId}`, signal));
  const channels = await fetchOrNull(options, `/guilds/${guildId}/channels`, signal);
  const own = await fetchOrNull(options, `/guilds/${guildId}/members/${options.self().userId}`, signal);
  if (guild === null || !Array.isArray(channels)) return;
  const read = channels.flatMap((one) => readChannel(one) ?? []).map((one) => ({ ...one, guild_id: guildId }));
  await storeGuild(options.database, toStoredGuild(guild), readRoles(own), "kept");
  await storeChannels(options.database, read.map(toStoredChannel), "kept");
}

/** Null: Discord refuses. What is merely away is worth waiting for, and thrown. */
async function fetchOrNull({ rest, log }: Looking, path: `/${string}`, signal: AbortSignal): Promise<unknown> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(20_000)]);
  try {
    return await rest.call<unknown>({ method: "GET", path, repeatable: true }, patience);
  } catch (error) {
    if (!(error instanceof DiscordRefused)) throw error;
    log.info({ component: "gateway", reason: error.message }, "Discord does not tell about a place");
    return null;
  }
}
