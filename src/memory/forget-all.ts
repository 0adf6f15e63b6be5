import type { Forgotten } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";

/** Threads belong to their channel, private ones too. */
const inChannel =
  "(channel_id = $4 or conversation_id in (select $4 union select c.channel_id from channels c where c.parent_id = $4))";

/** The memories that a wish to forget means: what the person said, what was said in the channel, what the messages and the answers to them became. */
export async function readDoomed(
  sql: Sql,
  what: Forgotten,
  /** The messages themselves, and those they were answered together with. */
  messages: { readonly own: readonly Snowflake[]; readonly answered: readonly Snowflake[] },
): Promise<readonly { id: string; conversationId: Snowflake; sourceMessageId: Snowflake }[]> {
  const [where, values] =
    what.kind === "person"
      ? ["or author_id = $3", [what.personId]]
      : what.kind === "channel"
        ? [`or guild_id = $3 and ${inChannel}`, [what.guildId, what.channelId]]
        : ["", []];
  const rows = await sql.query<{ id: string; conversation_id: Snowflake; source_message_id: Snowflake }>(
    `select id, conversation_id, source_message_id from memories
     where source_message_id = any($1::bigint[]) or kind = 'reply' and source_message_id = any($2::bigint[]) ${where}`,
    [messages.own, messages.answered, ...values],
  );
  return rows.map((row) => ({
    id: row.id,
    conversationId: row.conversation_id,
    sourceMessageId: row.source_message_id,
  }));
}

/** The memories of what agents answered to these messages, or to those that were answered together with them. */
export async function readReplies(sql: Sql, messageIds: readonly Snowflake[]): Promise<readonly string[]> {
  const rows = await sql.query<{ id: string }>(
    `select id from memories where kind = 'reply' and source_message_id in (
       select unnest($1::bigint[]) union select message_id from turns where answered_with = any($1::bigint[]))`,
    [messageIds],
  );
  return rows.map(({ id }) => id);
}

/** How many vectors these memories have. */
export async function countVectors(sql: Sql, memoryIds: readonly string[]): Promise<number> {
  const [row] = await sql.query<{ n: number }>(
    "select count(*)::int as n from memory_vectors where memory_id = any($1::bigint[])",
    [memoryIds],
  );
  return row?.n ?? 0;
}

/** Removes memories with their vectors and sketches, and all that searching them needed. */
export async function removeMemories(sql: Sql, memoryIds: readonly string[]): Promise<void> {
  await sql.query("delete from memories where id = any($1::bigint[])", [memoryIds]);
}
