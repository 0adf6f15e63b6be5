import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { dropQuotations } from "./forgetting.ts";
import { lockTogether, partFrom, reopenedColumns, toReopened, type Reopened, type ReopenedRow } from "./together.ts";

/** An answered message is answered anew when it is edited this soon, and so is one that was ignored and now turns to the bot, or says something. */
const answerAgainSeconds = 60;

/** Why a message was not answered that was deleted before. */
export const wasDeleted = "the message was deleted";

/** An attempt to answer that is no longer wanted. */
export interface Revoked {
  readonly messageId: Snowflake;
  readonly conversationId: Snowflake;
  /** Attempts before this one are meant. */
  readonly attempts: number;
  /** True: the message is gone; false: it is answered anew. */
  readonly isGone: boolean;
}

/** What is left to be done once messages were deleted. */
interface Deletion {
  /** `wasOpen`: it waited for its answer. An attempt under way can no longer end it. */
  readonly gone: readonly (Revoked & { readonly wasOpen: boolean })[];
  /** What was answered together with them, and now is without them: begun anew, or waiting for the first time. */
  readonly anew: readonly Reopened[];
  readonly waiting: readonly Reopened[];
}

/** Ends the turns of deleted messages and takes their words out. */
export async function deleteTurns(sql: Sql, messageIds: readonly Snowflake[]): Promise<Deletion> {
  await lockTogether(sql, "message_id = any($1::bigint[])", [messageIds]);
  const rows = await sql.query<{ message_id: string; conversation_id: string; attempts: number; was_open: boolean }>(
    `with before as (
       select message_id, state in ('waiting', 'answering', 'drafted') as was_open from turns where message_id = any($1::bigint[]))
     update turns t set text = '', draft = null, replied_to = null, attachments = null, attempts = t.attempts + 1,
       state = case when b.was_open then 'ignored' else t.state end,
       error = case when b.was_open then $2 else t.error end,
       finished_at = coalesce(t.finished_at, now())
     from before b where t.message_id = b.message_id returning t.message_id, t.conversation_id, t.attempts, b.was_open`,
    [messageIds, wasDeleted],
  );
  const gone = rows.map((row) => ({
    messageId: row.message_id,
    conversationId: row.conversation_id,
    attempts: row.attempts,
    isGone: true,
    wasOpen: row.was_open,
  }));
  const leaders = gone.filter(({ wasOpen }) => wasOpen).map(({ messageId }) => messageId);
  const parted = await partFrom(sql, messageIds, leaders);
  await dropQuotations(sql, messageIds, null);
  return { gone, ...parted };
}

/**
 * Gives a turn its new words, unless its words were forgotten; see Inbox.edited. What is answered anew (null: nothing) may be the message that it was
 * answered together with.
 */
export async function editTurn(sql: Sql, envelope: Envelope): Promise<{ isKnown: boolean; anew: Reopened | null }> {
  await lockTogether(sql, "message_id = $1", [envelope.messageId]);
  const [row] = await sql.query<ReopenedRow & { again: boolean; answered_with: Snowflake | null }>(
    `with before as (
       select message_id, answered_with is null and (state in ('answering', 'drafted')
         or (state = 'answered' or state = 'ignored' and $3 and (not addressed or text = '')) and finished_at > now() - make_interval(secs => $5)) as again
       from turns where message_id = $1 and text <> $2)
     update turns t set text = case when b.again or t.text <> '' then $2 else '' end, author_name = case when b.again then $6 else t.author_name end,
       attachments = case when b.again or t.text <> '' then $7::json end,
       addressed = t.addressed or $3, addressed_agent = coalesce($4, t.addressed_agent),
       attempts = case when b.again then t.attempts + 1 else t.attempts end,
       state = case when b.again then 'waiting' else t.state end,
       draft = case when b.again then null else t.draft end,
       finished_at = case when b.again then null else t.finished_at end
     from before b where t.message_id = b.message_id
     returning b.again, t.answered_with, t.message_id, t.conversation_id, t.guild_id, t.attempts`,
    [
      envelope.messageId,
      envelope.text,
      envelope.addressed,
      envelope.addressedAgent,
      answerAgainSeconds,
      envelope.author.name,
      envelope.attachments && JSON.stringify(envelope.attachments),
    ],
  );
  if (row === undefined) return { isKnown: false, anew: null };
  if (row.answered_with !== null) return { isKnown: true, anew: await answerAnew(sql, row.answered_with) };
  return { isKnown: true, anew: row.again ? toReopened(row) : null };
}

/**
 * Adds to the words of a message what came to stand behind its links; not to one whose words are other ones by now, or forgotten. Nothing is answered anew.
 * Resolves to its conversation when there was something to add.
 */
export async function extendTurn(sql: Sql, messageId: Snowflake, text: string): Promise<Snowflake | null> {
  const [row] = await sql.query<{ conversation_id: Snowflake }>(
    `update turns set text = $2 where message_id = $1 and text <> '' and text <> $2 and position(text in $2) = 1
     returning conversation_id`,
    [messageId, text],
  );
  return row?.conversation_id ?? null;
}

/** The first of several that were answered together, when one of the others was edited; null: its answer stays, or has not been begun. */
async function answerAnew(sql: Sql, messageId: Snowflake): Promise<Reopened | null> {
  const [row] = await sql.query<ReopenedRow>(
    `update turns set attempts = attempts + 1, state = 'waiting', draft = null, finished_at = null
     where message_id = $1 and (state in ('answering', 'drafted') or state = 'answered' and finished_at > now() - make_interval(secs => $2))
     returning ${reopenedColumns}`,
    [messageId, answerAgainSeconds],
  );
  return row === undefined ? null : toReopened(row);
}
