import type { Receipt } from "../chat/chat.ts";
import type { Fate, Outcome, Spot, Which } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import { wasDeleted } from "./revisions.ts";
import { isSilencedTurn } from "./rules.ts";

interface Row {
  message_id: Snowflake;
  author_id: Snowflake;
  guild_id: Snowflake | null;
  channel_id: Snowflake;
  conversation_id: Snowflake;
  state: "waiting" | "answering" | "drafted" | "answered" | "ignored" | "buried";
  error: string | null;
  error_reference: string | null;
}

/** A message that was answered together with one before it shares its fate. */
function chosen(which: Which): readonly [string, Snowflake] {
  return which.kind === "message"
    ? ["message_id = coalesce((select answered_with from turns where message_id = $1), $1)", which.messageId]
    : ["conversation_id = $1 and answered_with is null", which.conversationId];
}

/** What became of a message; null when it was never stored. */
export async function readFate(sql: Sql, which: Which): Promise<Fate | null> {
  const [where, id] = chosen(which);
  const [row] = await sql.query<Row>(
    `select message_id, author_id, guild_id, channel_id, conversation_id, state, error, error_reference
     from turns where ${where} order by message_id desc limit 1`,
    [id],
  );
  if (row === undefined) return null;
  const isOpen = row.state === "answering" || row.state === "drafted";
  return {
    messageId: row.message_id,
    authorId: row.author_id,
    spot: spotOf(row),
    state: isOpen ? "waiting" : (row.state as Fate["state"]),
    reason: row.error,
    reference: row.error_reference,
  };
}

/** What was decided about a message; null as long as it waits or is thought about. */
export async function readOutcome(sql: Sql, messageId: Snowflake): Promise<Outcome | null> {
  const [row] = await sql.query<Pick<Row, "state"> & { draft: string | null; receipt: Receipt | null }>(
    `select state, draft, receipt from turns
     where message_id = $1 and (draft is not null or state in ('answered', 'ignored', 'buried'))`,
    [messageId],
  );
  if (row === undefined) return null;
  const { state, draft: text, receipt } = row;
  return {
    isDecided: state === "answered" || state === "ignored" || state === "buried",
    answer: state === "answered" && text !== null && receipt !== null ? { text, receipt } : null,
  };
}

const isUntaken = `(state = 'waiting' and attempts = 0 and addressed and not ${isSilencedTurn})`;

/** Of these messages: true, it waits for somebody to take it up for the first time; false, it does not. Those that are not stored are left out. */
export async function readUntaken(
  sql: Sql,
  messageIds: readonly Snowflake[],
): Promise<ReadonlyMap<Snowflake, boolean>> {
  const rows = await sql.query<{ message_id: Snowflake; waits: boolean }>(
    `select message_id, ${isUntaken} as waits
     from turns where message_id = any($1::bigint[])`,
    [messageIds],
  );
  return new Map(rows.map((row) => [row.message_id, row.waits]));
}

/** Messages of places that wait for somebody to take them up for the first time, at most so many, the oldest first. */
export async function readLeftWaiting(sql: Sql, most: number): Promise<readonly (Spot & { messageId: Snowflake })[]> {
  const rows = await sql.query<Row>(
    `select message_id, guild_id, channel_id, conversation_id from turns
     where ${isUntaken} and interaction_token is null order by received_at limit $1`,
    [most],
  );
  return rows.map((row) => ({ messageId: row.message_id, ...spotOf(row) }));
}

/** Messages from `since` on that were deleted before they were answered, and for which something was said that was not taken back. */
export async function readLeftBehind(sql: Sql, since: Snowflake): Promise<readonly Snowflake[]> {
  const rows = await sql.query<{ message_id: Snowflake }>(
    `select distinct message_id from spoken join turns using (message_id)
     where message_id >= $1 and state = 'ignored' and error = $2`,
    [since, wasDeleted],
  );
  return rows.map((row) => row.message_id);
}

/** How an answer came about, and where it was given; null when there is no answer, or it was forgotten. */
export async function readReceipt(sql: Sql, which: Which): Promise<{ receipt: Receipt; spot: Spot } | null> {
  const [where, id] = chosen(which);
  const [row] = await sql.query<Row & { receipt: Receipt }>(
    `select receipt, guild_id, channel_id, conversation_id from turns
     where ${where} and state = 'answered' and receipt->>'agent' is not null order by message_id desc limit 1`,
    [id],
  );
  return row === undefined ? null : { receipt: row.receipt, spot: spotOf(row) };
}

/** The last message of a person in a conversation whose words are still known. */
export async function readLastOf(sql: Sql, personId: Snowflake, conversationId: Snowflake): Promise<Snowflake | null> {
  const [row] = await sql.query<Pick<Row, "message_id">>(
    "select message_id from turns where conversation_id = $1 and author_id = $2 and text <> '' order by message_id desc limit 1",
    [conversationId, personId],
  );
  return row?.message_id ?? null;
}

function spotOf(row: Pick<Row, "guild_id" | "channel_id" | "conversation_id">): Spot {
  return { guildId: row.guild_id, channelId: row.channel_id, conversationId: row.conversation_id };
}
