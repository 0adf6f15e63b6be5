import type { Sql } from "../connections/postgres.ts";
import { momentOf, snowflakeAt, type Snowflake } from "../envelope.ts";
import type { Heard } from "./dispatch.ts";
import type { Lease } from "./leases.ts";

/** A channel in which something may have been written while nobody listened. */
export interface Gap {
  readonly channelId: Snowflake;
  /** Null: a direct conversation. */
  readonly guildId: Snowflake | null;
  /** The newest message that is known, or what else everything that was missed is newer than. */
  readonly after: Snowflake;
  /** The newest message that there is; null when nobody says. */
  readonly newest: Snowflake | null;
}

/** Categories, directories, forums and media channels: nobody writes in them, whatever their newest id says. */
const wordless = new Set([4, 14, 15, 16]);

/**
 * Where something may have been missed: channels whose newest message is not the newest we know. A channel of which nothing is known was empty when the
 * guild was listed last, or is newer than that: everything in it was missed. Of a guild that the bot has just come to know nothing was. `newest`
 * is the newest message of each channel, as far as the guild tells.
 */
export async function gapsOf(
  sql: Sql,
  heard: Heard & { kind: "guild" | "ready" },
  lease: Lease,
): Promise<{ gaps: readonly Gap[]; newest: ReadonlyMap<Snowflake, Snowflake> }> {
  const newest = new Map<Snowflake, Snowflake>();
  if (heard.kind === "ready") {
    // Direct conversations belong to the first shard, and nobody lists them.
    return { gaps: lease.shard === 0 ? await directGaps(sql) : [], newest };
  }
  const guildId = heard.guild.id;
  for (const channel of heard.channels) if (channel.last_message_id) newest.set(channel.id, channel.last_message_id);
  const [guild] = await sql.query("select 1 from guilds where guild_id = $1", [guildId]);
  if (guild === undefined) return { gaps: [], newest };
  const rows = await sql.query<{ channel_id: string; heard_until: string }>(
    "select channel_id, heard_until from channels where guild_id = $1 and heard_until is not null",
    [guildId],
  );
  const until = new Map(rows.map((row) => [row.channel_id, row.heard_until]));
  // It was not there to be asked before.
  const joined = heard.joinedAt === null ? "0" : snowflakeAt(heard.joinedAt);
  const gaps = heard.channels.map(({ id: channelId, type, last_message_id: last }) => {
    const after = newer(joined, until.get(channelId) ?? justBefore(channelId));
    const isGap = !wordless.has(type) && BigInt(last ?? 0) > BigInt(after);
    return isGap ? [{ channelId, guildId, after, newest: last ?? null }] : [];
  });
  return { gaps: gaps.flat(), newest };
}

/** Those that were active last come first. */
async function directGaps(sql: Sql): Promise<readonly Gap[]> {
  const rows = await sql.query<{ channel_id: string; heard_until: string }>(
    `select channel_id, heard_until from channels where kind = 'direct' and heard_until is not null
     order by heard_until desc`,
  );
  return rows.map((row) => ({ channelId: row.channel_id, guildId: null, after: row.heard_until, newest: null }));
}

/** The message that begins a forum post has the id of its channel. */
function justBefore(channelId: Snowflake): Snowflake {
  return snowflakeAt(momentOf(channelId) - 1);
}

/** Notes up to which message each channel was heard; it never goes back. */
export async function heardUntil(tx: Sql, until: ReadonlyMap<Snowflake, Snowflake>): Promise<void> {
  if (until.size === 0) return;
  await tx.query(
    `update channels c set heard_until = greatest(c.heard_until, u.id)
     from unnest($1::bigint[], $2::bigint[]) as u (channel, id) where c.channel_id = u.channel`,
    [[...until.keys()], [...until.values()]],
  );
}

/** The later of two. */
export function newer(a: Snowflake | undefined, b: Snowflake): Snowflake {
  return a !== undefined && BigInt(a) > BigInt(b) ? a : b;
}
