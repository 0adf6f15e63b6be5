import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";

/** How many messages that follow at once are answered together at most. */
const mostTogether = 10;

/**
 * Joins to a turn what the same person wrote on right after it and nobody has begun to answer, up to a message that calls the bot by name, which
 * needs no more. Resolves to the messages that were joined.
 */
export async function joinFollowing(sql: Sql, messageId: Snowflake): Promise<readonly Snowflake[]> {
  const rows = await sql.query<{ message_id: Snowflake; is_same: boolean }>(
    `with first as (select * from turns where message_id = $1 and priority = 'reply' and attempts = 0 and state = 'waiting'),
     following as (
       select t.message_id, t.author_id = f.author_id and t.priority in ('reply', 'mention') and t.attempts = 0 as is_same, t.priority
       from first f join turns t on t.conversation_id = f.conversation_id and t.message_id > f.message_id and t.state = 'waiting'
       order by t.message_id limit $2),
     counted as (
       select message_id, priority, bool_and(is_same) over so_far as is_same,
         count(*) filter (where priority = 'mention') over before_it as calls
       from following window so_far as (order by message_id), before_it as (order by message_id rows between unbounded preceding and 1 preceding))
     update turns set state = 'ignored', answered_with = $1, error = 'answered together with the message before it', finished_at = now()
     where message_id in (select message_id from counted where is_same and calls = 0) returning message_id`,
    [messageId, mostTogether],
  );
  return rows.map((row) => row.message_id);
}

/** Locks the turns that `where` means, and those that they are answered together with, the oldest first, as whoever ends a turn does. */
export async function lockTogether(sql: Sql, where: string, values: readonly unknown[]): Promise<void> {
  await sql.query(
    `select from turns where message_id in (select unnest(array[message_id, answered_with]) from turns where ${where}) order by message_id for update`,
    values,
  );
}

/** A turn that is to be answered anew, or at last. */
export interface Reopened {
  readonly messageId: Snowflake;
  readonly conversationId: Snowflake;
  readonly guildId: Snowflake | null;
  /** Attempts before this one are no longer wanted. */
  readonly attempts: number;
}

export interface ReopenedRow {
  message_id: Snowflake;
  conversation_id: Snowflake;
  guild_id: Snowflake | null;
  attempts: number;
}

/** What a statement returns of the turns that it reopens. */
export const reopenedColumns = "message_id, conversation_id, guild_id, attempts";

export function toReopened(row: ReopenedRow): Reopened {
  const { message_id: messageId, conversation_id: conversationId, guild_id: guildId, attempts } = row;
  return { messageId, conversationId, guildId, attempts };
}

/**
 * Parts deleted messages from those that they would have been answered together with: what followed one of `leaders`, which were to be answered, waits for
 * an answer of its own (`waiting`), and an answer in the making that has read a deleted one is begun anew (`anew`).
 */
export async function partFrom(
  sql: Sql,
  deleted: readonly Snowflake[],
  leaders: readonly Snowflake[],
): Promise<{ readonly waiting: readonly Reopened[]; readonly anew: readonly Reopened[] }> {
  const waiting = await sql.query<ReopenedRow>(
    `update turns set state = 'waiting', answered_with = null, error = null, finished_at = null
     where answered_with = any($2::bigint[]) and message_id <> all($1::bigint[]) returning ${reopenedColumns}`,
    [deleted, leaders],
  );
  const anew = await sql.query<ReopenedRow>(
    `with parted as (
       update turns t set answered_with = null from turns first
       where t.message_id = any($1::bigint[]) and first.message_id = t.answered_with and first.state in ('waiting', 'answering', 'drafted')
       returning first.message_id)
     update turns set state = 'waiting', draft = null, receipt = null, attempts = attempts + 1
     where message_id in (select message_id from parted) and state in ('answering', 'drafted') returning ${reopenedColumns}`,
    [deleted],
  );
  return { waiting: waiting.map(toReopened), anew: anew.map(toReopened) };
}
