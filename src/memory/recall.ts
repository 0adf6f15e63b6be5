import type { Snowflake } from "../envelope.ts";
import type { Sql } from "../connections/postgres.ts";
import { searchText, textSearchConfiguration } from "./search-text.ts";

/** One recalled memory, best first in its list. */
export interface Recollection {
  readonly id: string;
  readonly text: string;
  readonly author: string;
  /** The agent that said it; null when a person did. */
  readonly agent: string | null;
  readonly channelId: Snowflake;
  readonly channelName: string;
  readonly sourceMessageId: Snowflake;
  readonly createdAt: Date;
  /** Between 0 and 1; comparable only inside one recall. */
  readonly score: number;
}

export interface RecallQuery {
  readonly words: string;
  readonly locale: string | null;
  /** The guild or direct conversation; nothing outside it is ever returned. */
  readonly scope: Snowflake;
  readonly channelId: Snowflake;
  /** `channel`: only what was said in this channel; `scope`: also what was said in public ones. */
  readonly within: "channel" | "scope";
  /** The query's vector and the space it lives in; null: full text alone. */
  readonly vector: {
    readonly space: string;
    readonly values: readonly number[];
    readonly weight: number;
    readonly threshold: number;
  } | null;
  readonly limit: number;
  readonly now: Date;
}

interface Row {
  id: string;
  text: string;
  author_name: string;
  agent: string | null;
  channel_id: string;
  channel_name: string;
  source_message_id: string;
  created_at: Date;
  score: number;
}

/**
 * Finds what the memory of one scope holds about some words, in one statement. Full text: BM25, and each memory inherits
 * 0.4 and 0.2 of the score of what was said one and two memories away from it, because a message is found by what was said around it (LoCoMo
 * recall@10: 62 without, 70 with). Vectors: exact inside the scope. The two are fused by reciprocal rank; recency and importance decide between near equals.
 */
export async function recall(sql: Sql, query: RecallQuery): Promise<Recollection[]> {
  const rows = await sql.query<Row>(statement, [
    query.scope,
    query.channelId,
    query.within === "scope",
    textSearchConfiguration(query.locale),
    searchText(query.words),
    query.vector?.space ?? null,
    query.vector ? `[${query.vector.values.join(",")}]` : null,
    query.vector?.threshold ?? 1,
    query.vector?.weight ?? 0,
    query.limit,
    query.now,
  ]);
  return rows.map((row) => ({
    id: row.id,
    text: row.text,
    author: row.author_name,
    agent: row.agent,
    channelId: row.channel_id,
    channelName: row.channel_name,
    sourceMessageId: row.source_message_id,
    createdAt: row.created_at,
    score: row.score,
  }));
}

/* $1 scope, $2 channel, $3 public ones too, $4 configuration, $5 words, $6 space, $7 vector, $8 least similarity, $9 weight of the vector's rank,
   $10 limit, $11 now. The condition on scope and audience stands in every branch that reads memories: none may rely on another. */
const readable = (table: string) =>
  `${table}.scope = $1 and (${table}.channel_id = $2 or ($3 and ${table}.audience = 'public'))`;

const statement = `
with wanted as materialized (select bm25_query($4::regconfig, $5, $1::bigint) as weights),
hits as materialized (
  select m.conversation_id, m.position, -(m.terms <#> wanted.weights) as score
  from memories m, wanted
  where ${readable("m")} and m.terms <#> wanted.weights < 0
  order by score desc limit 2000
),
near as materialized (
  select conversation_id, position + distance as position, sum(score * share) as score
  from hits cross join (values (0, 1.0), (-1, 0.4), (1, 0.4), (-2, 0.2), (2, 0.2)) as neighbour (distance, share)
  group by 1, 2 order by 3 desc limit 200
),
spoken as (
  select m.id, near.score
  from near join memories m on m.conversation_id = near.conversation_id and m.position = near.position and ${readable("m")}
  order by near.score desc, m.id desc limit 100
),
seen as (
  select id, score from (
    select m.id, -(v.embedding <#> $7::halfvec) as score
    from memory_vectors v join memories m on m.id = v.memory_id
    where $7::text is not null and v.scope = $1 and v.space = $6 and ${readable("m")}
    order by score desc limit 100
  ) nearest where score >= $8
),
ranked as (
  select id, 61.0 / (60 + rank() over (order by score desc)) as score from spoken
  union all
  select id, $9::float8 * 61.0 / (60 + rank() over (order by score desc)) from seen
),
fused as (select id, sum(score) / (1 + $9::float8) as score from ranked group by id)
select m.id, m.text, m.author_name, m.agent, m.channel_id, m.channel_name, m.source_message_id, m.created_at,
  (fused.score * (0.97 + 0.02 * m.importance
    + 0.02 * exp(-greatest(0, extract(epoch from $11::timestamptz - m.created_at)) / 2592000)))::float8 as score
from fused join memories m on m.id = fused.id
order by score desc, m.id desc
limit $10`;
