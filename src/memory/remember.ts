import type { Sql } from "../connections/postgres.ts";
import type { Audience, Snowflake } from "../envelope.ts";
import { searchText, textSearchConfiguration } from "./search-text.ts";

/** Something worth keeping, before it is stored. */
export interface NewMemory {
  readonly guildId: Snowflake | null;
  readonly channelId: Snowflake;
  readonly channelName: string;
  readonly conversationId: Snowflake;
  readonly audience: Audience;
  /** Null for an agent's words: they never become facts about a person. */
  readonly authorId: Snowflake | null;
  readonly authorName: string;
  readonly agent: string | null;
  readonly sourceMessageId: Snowflake;
  readonly kind: "message" | "reply" | "fact" | "summary";
  readonly text: string;
  readonly createdAt: Date;
  readonly importance: number;
  readonly locale: string | null;
}

/**
 * Stores memories of one conversation, in the order given; what is stored already (same source and kind) stays as it is.
 * Full text finds them as soon as the transaction of `sql` commits; vectors come later.
 */
export async function remember(sql: Sql, memories: readonly NewMemory[]): Promise<void> {
  if (memories.length === 0) return;
  const rows = memories.map((memory, index) => ({
    n: index,
    guild_id: memory.guildId,
    channel_id: memory.channelId,
    channel_name: memory.channelName,
    conversation_id: memory.conversationId,
    audience: memory.audience,
    author_id: memory.authorId,
    author_name: memory.authorName,
    agent: memory.agent,
    source_message_id: memory.sourceMessageId,
    kind: memory.kind,
    text: memory.text,
    created_at: memory.createdAt,
    importance: memory.importance,
    config: textSearchConfiguration(memory.locale),
    words: searchText(memory.text),
  }));
  await sql.query(statement, [JSON.stringify(rows)]);
}

const statement = `
with new as (
  select * from json_to_recordset($1::json) as r (
    n int, guild_id bigint, channel_id bigint, channel_name text, conversation_id bigint, audience text, author_id bigint,
    author_name text, agent text, source_message_id bigint, kind text, text text, created_at timestamptz,
    importance real, config text, words text)
),
placed as (
  select new.*, coalesce(last.position, 0) + row_number() over (partition by new.conversation_id order by n) as position
  from new
  left join lateral (
    select m.position from memories m where m.conversation_id = new.conversation_id order by m.position desc limit 1
  ) last on true
)
insert into memories (guild_id, channel_id, channel_name, conversation_id, audience, author_id, author_name, agent,
  source_message_id, kind, text, created_at, importance, position, terms, term_ids, length)
select p.guild_id, p.channel_id, p.channel_name, p.conversation_id, p.audience, p.author_id, p.author_name, p.agent,
  p.source_message_id, p.kind, p.text, p.created_at, p.importance, p.position, d.terms, d.term_ids, d.length
from placed p, bm25_document(p.config::regconfig, p.words, coalesce(p.guild_id, p.conversation_id)) d
on conflict (source_message_id, kind) do nothing`;
