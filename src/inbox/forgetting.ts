import type { Forgotten } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import type { Revoked } from "./revisions.ts";

/** A message that is to be forgotten. */
export interface ConcernedTurn {
  readonly messageId: Snowflake;
  /** The message that it was answered together with; mostly itself. */
  readonly answeredAs: Snowflake;
  readonly conversationId: Snowflake;
  readonly scope: Snowflake;
  /** False when nothing but ids is left of it. */
  readonly hasWords: boolean;
}

function condition(what: Forgotten): readonly [string, readonly Snowflake[]] {
  switch (what.kind) {
    case "person":
      return ["author_id = $1", [what.personId]];
    case "message":
      return ["message_id = $1", [what.messageId]];
    case "channel":
      return ["guild_id = $1 and (channel_id = $2 or conversation_id = $2)", [what.guildId, what.channelId]];
  }
}

/** The messages that a wish to forget means; locked, in the order of their ids. */
export async function readConcerned(sql: Sql, what: Forgotten): Promise<readonly ConcernedTurn[]> {
  const [where, values] = condition(what);
  const rows = await sql.query<
    Record<"message_id" | "answered_as" | "conversation_id" | "scope", string> & { words: boolean }
  >(
    `select message_id, coalesce(answered_with, message_id) as answered_as, conversation_id, scope,
       text <> '' or author_name <> '' or draft is not null as words
     from turns where ${where} order by message_id for update`,
    values,
  );
  return rows.map((row) => ({
    messageId: row.message_id,
    answeredAs: row.answered_as,
    conversationId: row.conversation_id,
    scope: row.scope,
    hasWords: row.words,
  }));
}

/** The answers that had one of these memories, or one of these messages, before their eyes; by the message they answer. */
export async function readMadeFrom(
  sql: Sql,
  memoryIds: readonly string[],
  concerned: readonly ConcernedTurn[],
): Promise<readonly { messageId: Snowflake; conversationId: Snowflake }[]> {
  const rows = await sql.query<{ message_id: Snowflake; conversation_id: Snowflake }>(
    `with scopes as (select distinct scope from unnest($3::bigint[]) scope),
     lost as (select unnest($1::bigint[]) as id), unsaid as (select unnest($2::bigint[]) as id)
     select t.message_id, t.conversation_id from turns t join scopes using (scope)
       cross join json_array_elements(t.receipt->'memories') m join lost on lost.id = (m->>'id')::bigint
     union
     select t.message_id, t.conversation_id from turns t join scopes using (scope)
       cross join json_array_elements_text(t.receipt->'heard') h join unsaid on unsaid.id = h::bigint`,
    [memoryIds, concerned.map(({ messageId }) => messageId), concerned.map(({ scope }) => scope)],
  );
  return rows.map((row) => ({ messageId: row.message_id, conversationId: row.conversation_id }));
}

/** Of a receipt what is nobody's: the tokens, which budgets are counted by. */
const bareReceipt = "case when receipt is not null then json_build_object('tokens', receipt->'tokens') end";

/** Leaves of these messages, and of the answers to them, their ids and what became of them. */
export async function bareTurns(sql: Sql, messageIds: readonly Snowflake[]): Promise<void> {
  await sql.query(
    `update turns set text = '', author_name = '', draft = null, replied_to = null, attachments = null, interaction_token = null,
       receipt = ${bareReceipt} where message_id = any($1::bigint[])`,
    [messageIds],
  );
}

/** Takes out the answers to these messages; the messages stay. */
export async function bareAnswers(sql: Sql, messageIds: readonly Snowflake[]): Promise<void> {
  await sql.query(`update turns set draft = null, receipt = ${bareReceipt} where message_id = any($1::bigint[])`, [
    messageIds,
  ]);
}

/** Takes these messages, and those of this person, out of the messages that reply to them. */
export async function dropQuotations(
  sql: Sql,
  messageIds: readonly Snowflake[],
  personId: Snowflake | null,
): Promise<void> {
  await sql.query(
    `update turns set replied_to = null
     where replied_to is not null and (replied_to->>'messageId' = any($1::text[]) or replied_to->>'authorId' = $2::text)`,
    [messageIds, personId],
  );
}

/** Puts back what is being answered in these scopes, without what was thought of so far; an attempt under way can no longer end it. */
export async function putBackOpen(sql: Sql, scopes: readonly Snowflake[]): Promise<readonly Revoked[]> {
  const rows = await sql.query<{ message_id: Snowflake; conversation_id: Snowflake; attempts: number }>(
    `update turns set state = 'waiting', draft = null, receipt = null, attempts = attempts + 1
     where scope = any($1::bigint[]) and state in ('answering', 'drafted') returning message_id, conversation_id, attempts`,
    [scopes],
  );
  return rows.map((row) => ({
    messageId: row.message_id,
    conversationId: row.conversation_id,
    attempts: row.attempts,
    isGone: false,
  }));
}
