import type { Spot } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";

/** True where moderators have silenced the bot in the place of a row of turns, or in all of its guild. A silenced channel silences its threads. */
export const isSilencedTurn = `exists (
  select from silences s where (s.until is null or s.until > now())
    and (s.place_id in (turns.guild_id, turns.channel_id, turns.conversation_id)
      or s.place_id = (select c.parent_id from channels c where c.channel_id = turns.conversation_id)))`;

/** False for a row of turns whose writer has opted out, or that replies to somebody who has. */
export const isRememberedTurn = `not exists (
  select from opted_out o where o.user_id in (turns.author_id, (turns.replied_to->>'authorId')::bigint))`;

/** Silences a channel or a guild; a later wish takes the place of an earlier one. Resolves to its end, by the clock of Postgres; null: none. */
export async function storeSilence(
  sql: Sql,
  placeId: Snowflake,
  byId: Snowflake,
  minutes: number | null,
): Promise<Date | null> {
  const [row] = await sql.query<{ until: Date | null }>(
    `insert into silences (place_id, by_id, until) values ($1, $2, now() + make_interval(mins => $3::int))
     on conflict (place_id) do update set by_id = excluded.by_id, until = excluded.until, at = now() returning until`,
    [placeId, byId, minutes],
  );
  return row?.until ?? null;
}

export async function dropSilence(sql: Sql, placeId: Snowflake): Promise<void> {
  await sql.query("delete from silences where place_id = $1", [placeId]);
}

/** Whether nothing may be said in this spot. */
export async function isSilenced(sql: Sql, spot: Spot): Promise<boolean> {
  const [row] = await sql.query<{ silenced: boolean }>(
    `select ${isSilencedTurn} as silenced
     from (select $1::bigint as guild_id, $2::bigint as channel_id, $3::bigint as conversation_id) turns`,
    [spot.guildId, spot.channelId, spot.conversationId],
  );
  return row?.silenced ?? false;
}

/** Whether what this person writes may be kept. */
export async function isRemembered(sql: Sql, personId: Snowflake): Promise<boolean> {
  return (await sql.query("select from opted_out where user_id = $1", [personId])).length === 0;
}

export async function storeRemembered(sql: Sql, personId: Snowflake, wanted: boolean): Promise<void> {
  await sql.query(
    wanted
      ? "delete from opted_out where user_id = $1"
      : "insert into opted_out (user_id) values ($1) on conflict (user_id) do nothing",
    [personId],
  );
}
