import type { Forgotten } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import { lockTogether, reopenedColumns, toReopened, type Reopened, type ReopenedRow } from "./together.ts";

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

function condition(what: Forgotten): readonly [string, readonly unknown[]] {
  switch (what.kind) {
    case "person":
      return ["author_id = $1", [what.personId]];
    case "messages":
      return ["message_id = any($1::bigint[])", [what.messageIds]];
    case "channel":
      return [`guild_id = $1 and ${inChannel}`, [what.guildId, what.channelId]];
  }
}

/** Threads belong to their channel, private ones too. */
const inChannel =
  "(channel_id = $2 or conversation_id in (select $2 union select c.channel_id from channels c where c.parent_id = $2))";

/** The messages that a wish to forget means; locked, with those that they are answered together with. */
export async function readConcerned(sql: Sql, what: Forgotten): Promise<readonly ConcernedTurn[]> {
  const [where, values] = condition(what);
  await lockTogether(sql, where, values);
  const rows = await sql.query<
    Record<"message_id" | "answered_as" | "conversation_id" | "scope", string> & { words: boolean }
  >(
    `select message_id, coalesce(answered_with, message_id) as answered_as, conversation_id, scope,
       text <> '' or author_name <> '' or draft is not null as words
     from turns where ${where}`,
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

const isKept = "(text <> '' or author_name <> '' or draft is not null or state in ('waiting', 'answering', 'drafted'))";

/** Messages in a channel and its threads of which more is left than ids and what became of them, at most `limit`. */
export async function readKeptIn(sql: Sql, channelId: Snowflake, limit: number): Promise<readonly Snowflake[]> {
  const select = async (where: string) => {
    const query = `select message_id from turns where ${where} and ${isKept} limit $2`;
    return (await sql.query<{ message_id: Snowflake }>(query, [channelId, limit])).map((row) => row.message_id);
  };
  const found = await select(
    "conversation_id in (select $1::bigint union select channel_id from channels where parent_id = $1)",
  );
  // Of public threads that are not known any more. There is no index for it: only when all others are done.
  return found.length > 0 ? found : select("channel_id = $1");
}

/** Messages of a conversation between these two, both included, that are not forgotten; not the questions of slash commands, which are no messages. */
export async function readKeptBetween(
  sql: Sql,
  conversationId: Snowflake,
  from: Snowflake,
  until: Snowflake,
): Promise<readonly Snowflake[]> {
  const rows = await sql.query<{ message_id: Snowflake }>(
    `select message_id from turns where conversation_id = $1 and message_id between $2 and $3 and interaction_token is null and ${isKept}`,
    [conversationId, from, until],
  );
  return rows.map((row) => row.message_id);
}

/**
 * The answers that had one of these memories or messages, or words of this person, before their eyes; by the message they answer. Locked: one that is
 * just being stored is waited for, with what is remembered of it.
 */
export async function readMadeFrom(
  sql: Sql,
  {
    memories,
    messageIds,
    scopes,
    personId,
  }: {
    readonly memories: readonly { readonly id: string; readonly sourceMessageId: Snowflake }[];
    readonly messageIds: readonly Snowflake[];
    /** Where they were said. */
    readonly scopes: readonly Snowflake[];
    readonly personId: Snowflake | null;
  },
): Promise<readonly { messageId: Snowflake; conversationId: Snowflake }[]> {
  // Nothing was made from what had not been said: the answers since the first of them are enough to look through.
  const [first = null] = [...messageIds, ...memories.map(({ sourceMessageId }) => sourceMessageId)].sort(byAge);
  const rows = await sql.query<{ message_id: Snowflake; conversation_id: Snowflake }>(
    `with scopes as (select unnest($3::bigint[]) as scope),
     lost as (select unnest($1::bigint[]) as id), unsaid as (select unnest($2::bigint[]) as id)
     select message_id, conversation_id from turns where message_id in (
       select t.message_id from turns t join scopes using (scope)
         cross join json_array_elements(t.receipt->'memories') m join lost on lost.id = (m->>'id')::bigint
       where t.message_id >= $4::bigint
       union
       select t.message_id from turns t join scopes using (scope)
         cross join json_array_elements_text(t.receipt->'heard') h join unsaid on unsaid.id = h::bigint
       where t.message_id >= $4::bigint
       union
       select message_id from turns where ${isQuoting("$2", "$5")})
     order by message_id for update`,
    [memories.map(({ id }) => id), messageIds, scopes, first, personId],
  );
  return rows.map((row) => ({ messageId: row.message_id, conversationId: row.conversation_id }));
}

function byAge(one: Snowflake, other: Snowflake): number {
  return BigInt(one) < BigInt(other) ? -1 : 1;
}

/** Of a row of turns: it replies to one of these messages, or to this person. */
function isQuoting(messageIds: "$1" | "$2", personId: "$2" | "$5"): string {
  return `replied_to is not null and (replied_to->>'messageId' = any(${messageIds}::text[]) or replied_to->>'authorId' = ${personId}::text)`;
}

/** Of a receipt what is nobody's: the tokens, which budgets are counted by. */
export function bareReceipt(receipt: string): string {
  return `case when ${receipt} is not null then json_build_object('tokens', ${receipt}->'tokens') end`;
}

/** Words that were read for an answer: those of a message, or those of the answer to it. */
export interface Source {
  readonly messageId: Snowflake;
  /** The agent that said them; null when a person did. */
  readonly agent: string | null;
  readonly text: string;
}

/**
 * An expression: whether these sources, as JSON, read as they did; what has unfurled since does no harm. Whoever changes them meanwhile is waited for, and
 * whoever would after it waits for the end of the transaction.
 */
export function stillRead(sources: "$9"): string {
  return `(
    with source as (select * from json_to_recordset(${sources}::json) as s ("messageId" bigint, agent text, text text)),
    now as materialized (
      select message_id, coalesce(answered_with, message_id) as answered_as, text, draft from turns where message_id in (
        select unnest(array[message_id, answered_with]) from turns where message_id in (select "messageId" from source))
      order by message_id for share)
    select coalesce(bool_and(position(s.text in case when s.agent is null then said.text else coalesce(answered.draft, '') end) = 1), true)
    from source s join now said on said.message_id = s."messageId" join now answered on answered.message_id = said.answered_as)`;
}

/** Leaves of these messages, and of the answers to them, their ids and what became of them. */
export async function bareTurns(sql: Sql, messageIds: readonly Snowflake[]): Promise<void> {
  await sql.query(
    `update turns set text = '', author_name = '', draft = null, replied_to = null, attachments = null, interaction_token = null,
       receipt = ${bareReceipt("receipt")} where message_id = any($1::bigint[])`,
    [messageIds],
  );
}

/** Takes out the answers to these messages; the messages stay. */
export async function bareAnswers(sql: Sql, messageIds: readonly Snowflake[]): Promise<void> {
  await sql.query(
    `update turns set draft = null, receipt = ${bareReceipt("receipt")} where message_id = any($1::bigint[])`,
    [messageIds],
  );
}

/** Takes these messages, and those of this person, out of the messages that reply to them. */
export async function dropQuotations(
  sql: Sql,
  messageIds: readonly Snowflake[],
  personId: Snowflake | null,
): Promise<void> {
  await sql.query(`update turns set replied_to = null where ${isQuoting("$1", "$2")}`, [messageIds, personId]);
}

/** Puts back what is being answered in these scopes, without what was thought of so far; an attempt under way can no longer end it. */
export async function putBackOpen(sql: Sql, scopes: readonly Snowflake[]): Promise<readonly Reopened[]> {
  const rows = await sql.query<ReopenedRow>(
    `update turns set state = 'waiting', draft = null, receipt = null, attempts = attempts + 1
     where scope = any($1::bigint[]) and state in ('answering', 'drafted') returning ${reopenedColumns}`,
    [scopes],
  );
  return rows.map(toReopened);
}
