import type { ForgetTarget, Place, Spot } from "../chat/desk.ts";
import type { RecalledMemory } from "../chat/chat.ts";
import type { Database, Sql } from "../connections/postgres.ts";
import { scopeOf, snowflakeAt, type Audience } from "../envelope.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { recall } from "./recall.ts";
import { remember } from "./remember.ts";

interface Row {
  id: string;
  text: string;
  author_name: string;
  channel_name: string;
  source_message_id: string;
  created_at: Date;
}

const shown = "id, text, author_name, channel_name, source_message_id, created_at";
/** $1 scope, $2 channels, $3 public ones too: what may be read in this place. */
const readable = "scope = $1 and (channel_id = any($2::bigint[]) or $3 and audience = 'public')";

function readableIn(place: Place): readonly [string, readonly string[], boolean] {
  const { alsoReadable: also, channelId } = place;
  return [scopeOf(place), also === "public" ? [channelId] : [channelId, ...also], also === "public"];
}

/** The newest memories that may be read in a place, of all or only of its author, or those that words find, best first. */
export async function listMemories(
  sql: Sql,
  place: Place,
  words: string | null,
  limit: number,
  whose: "own" | "all",
): Promise<RecalledMemory[]> {
  if (words !== null) {
    const found = await recall(sql, {
      words,
      locale: null,
      scope: scopeOf(place),
      channelId: place.channelId,
      alsoReadable: place.alsoReadable,
      vectors: [],
      ...(whose === "own" ? { authorId: place.authorId } : {}),
      limit,
      now: new Date(),
    });
    return found.map((memory) => ({
      id: memory.id,
      text: memory.text,
      author: memory.author,
      createdAt: memory.createdAt,
      score: memory.score,
      source: sourceOf(memory.channelName, memory.sourceMessageId),
    }));
  }
  const own = whose === "own" ? "and author_id = $5" : "";
  const rows = await sql.query<Row>(
    `select ${shown} from memories where ${readable} ${own} order by id desc limit $4`,
    [...readableIn(place), limit, ...(whose === "own" ? [place.authorId] : [])],
  );
  return rows.map(fromRow);
}

/** The memories that a person's wish to forget means; people can make only their own words forgotten, and what agents said. */
export async function findForgettable(sql: Sql, place: Place, target: ForgetTarget): Promise<RecalledMemory[]> {
  const mine = "(author_id = $4 or author_id is null)";
  const values = [...readableIn(place), place.authorId];
  switch (target.kind) {
    case "last":
      return select(sql, `author_id = $4 and conversation_id = $5 order by id desc limit 1`, [
        ...values,
        place.conversationId,
      ]);
    case "me":
      return select(sql, `author_id = $4 order by id`, values);
    case "id":
      if (!/^\d{1,18}$/.test(target.id)) return [];
      return select(sql, `${mine} and id = $5`, [...values, target.id]);
    case "words": {
      const found = await listMemories(sql, place, target.words, 50, "all");
      const words = target.words.toLowerCase();
      const ids = found.filter((memory) => memory.text.toLowerCase().includes(words)).map((memory) => memory.id);
      return select(sql, `${mine} and id = any($5::bigint[]) order by id`, [...values, ids]);
    }
  }
}

async function select(sql: Sql, where: string, values: readonly unknown[]): Promise<RecalledMemory[]> {
  const rows = await sql.query<Row>(`select ${shown} from memories where ${readable} and ${where}`, values);
  return rows.map(fromRow);
}

/** Shorter texts are not looked for in answers: "yes" stands in many that are none of its quotations. */
const leastQuotedChars = 12;

/**
 * Removes memories with their vectors, the replies to them, what agents said that quotes them word for word, and all these words out of
 * the stored turns. Resolves to how many memories went and the conversations they were in.
 */
export async function forgetMemories(
  database: Database,
  place: Place,
  ids: readonly string[],
): Promise<{ removed: number; conversations: readonly string[] }> {
  const scope = scopeOf(place);
  return database.transaction(async (tx) => {
    const removed = await tx.query<{ source_message_id: string; kind: string; conversation_id: string }>(
      `with wanted as (select * from memories where scope = $1 and id = any($2::bigint[]))
       delete from memories m using wanted w
       where m.scope = $1 and (m.id = w.id or m.kind = 'reply' and (
         m.source_message_id = w.source_message_id and w.kind = 'message'
         or length(w.text) >= $3 and position(w.text in m.text) > 0))
       returning m.source_message_id, m.kind, m.conversation_id`,
      [scope, ids, leastQuotedChars],
    );
    const of = (kind: string) => removed.filter((row) => row.kind === kind).map((row) => row.source_message_id);
    // Answers made from memory alone, and those that are just being spoken, are no memories themselves, but their drafts quote them.
    const turns = await tx.query<{ conversation_id: string }>(
      `with forgotten as (
         select text from turns where scope = $1 and message_id = any($2::bigint[]) and length(text) >= $4)
       update turns t set draft = null where t.scope = $1 and t.draft is not null and (
         t.message_id = any($2::bigint[]) or t.message_id = any($3::bigint[])
         or exists (select from forgotten f where position(f.text in t.draft) > 0))
       returning conversation_id`,
      [scope, of("message"), of("reply"), leastQuotedChars],
    );
    await tx.query("update turns set text = '' where scope = $1 and message_id = any($2::bigint[])", [
      scope,
      of("message"),
    ]);
    const conversations = [...removed, ...turns].map((row) => row.conversation_id);
    return { removed: removed.length, conversations: [...new Set(conversations)] };
  });
}

/** Gives a remembered message its new words, and what is found by them. */
export async function rewriteSource(tx: Sql, messageId: string, text: string): Promise<void> {
  const [row] = await tx.query<{
    guild_id: string | null;
    channel_id: string;
    channel_name: string;
    conversation_id: string;
    audience: Audience;
    author_id: string | null;
    author_name: string;
    created_at: Date;
    importance: number;
    locale: string | null;
  }>(
    `delete from memories m using turns t where m.source_message_id = $1 and m.kind = 'message' and t.message_id = m.source_message_id
     returning m.guild_id, m.channel_id, m.channel_name, m.conversation_id, m.audience, m.author_id, m.author_name, m.created_at,
       m.importance, t.locale`,
    [messageId],
  );
  if (row === undefined) return;
  const { guild_id: guildId, channel_id: channelId, channel_name: channelName, conversation_id: conversationId } = row;
  const { audience, author_id: authorId, author_name: authorName, created_at: createdAt, importance, locale } = row;
  const place = { guildId, channelId, channelName, conversationId, audience, authorId, authorName };
  const memory = { ...place, createdAt, importance, locale, agent: null, kind: "message", text } as const;
  await remember(tx, [{ ...memory, sourceMessageId: messageId }]);
}

const retentionEveryMs = 3_600_000;
const retentionBatch = 500;

/** Forgets what is older than `days`, memories and the words of turns alike, at the start and then every hour, in batches. Null: nothing. */
export function makeRetention(options: { database: Database; days: () => number | null; log: Logger }): Component & {
  runOnce(): Promise<number>;
} {
  const { database, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let stopped = false;
  const runOnce = async (): Promise<number> => {
    const days = options.days();
    let total = 0;
    for (let removed = retentionBatch; days !== null && removed === retentionBatch && !stopped; total += removed) {
      removed = await forgetBatch(database, days);
    }
    if (total > 0)
      log.info({ component: "retention", removed: total, days }, "forgot what was older than it may be kept");
    return total;
  };
  const run = () => {
    running = runOnce().catch((error: Error) =>
      log.warn({ err: error, component: "retention" }, "retention could not be carried out"),
    );
  };
  return {
    name: "retention",
    start: async () => {
      run();
      timer = setInterval(run, retentionEveryMs).unref();
    },
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
    runOnce,
  };
}

async function forgetBatch(database: Database, days: number): Promise<number> {
  return database.transaction(async (tx) => {
    const memories = await tx.query(
      `delete from memories where id in (
         select id from memories where created_at < now() - make_interval(days => $1) order by id limit $2) returning 1`,
      [days, retentionBatch],
    );
    const turns = await tx.query(
      `delete from turns where message_id in (
         select message_id from turns where received_at < now() - make_interval(days => $1)
           and state in ('answered', 'ignored', 'buried') order by message_id limit $2) returning 1`,
      [days, retentionBatch],
    );
    const spoken = await forgetTraces(tx, "spoken", days);
    const feedback = await forgetTraces(tx, "feedback", days);
    return Math.max(memories.length, turns.length, spoken, feedback);
  });
}

/** What was said and thought about messages that are no longer known. */
async function forgetTraces(tx: Sql, table: "spoken" | "feedback", days: number): Promise<number> {
  const rows = await tx.query(
    `delete from ${table} where ctid in (
       select ctid from ${table} s where message_id < $1 and not exists (select from turns t where t.message_id = s.message_id)
       order by message_id limit $2) returning 1`,
    [snowflakeAt(Date.now() - days * 86_400_000), retentionBatch],
  );
  return rows.length;
}

/** The texts of memories by id, for a receipt; what was forgotten since is missing. */
export async function textsOf(sql: Sql, place: Place, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await sql.query<{ id: string; text: string }>(
    `select id, text from memories where ${readable} and id = any($4::bigint[])`,
    [...readableIn(place), ids],
  );
  return new Map(rows.map((row) => [row.id, row.text]));
}

/** Memories by their ids with where they were said, for a receipt that is not bound to one place; what was forgotten since is missing. */
export async function placedMemories(
  sql: Sql,
  ids: readonly string[],
): Promise<ReadonlyMap<string, { readonly memory: RecalledMemory; readonly spot: Spot }>> {
  const rows = await sql.query<Row & { guild_id: string | null; channel_id: string; conversation_id: string }>(
    `select ${shown}, guild_id, channel_id, conversation_id from memories where id = any($1::bigint[])`,
    [ids],
  );
  return new Map(
    rows.map((row) => {
      const spot = { guildId: row.guild_id, channelId: row.channel_id, conversationId: row.conversation_id };
      return [row.id, { memory: fromRow(row), spot }];
    }),
  );
}

function fromRow(row: Row): RecalledMemory {
  return {
    id: row.id,
    text: row.text,
    author: row.author_name,
    createdAt: row.created_at,
    score: 1,
    source: sourceOf(row.channel_name, row.source_message_id),
  };
}

/** How people and receipts name where a memory comes from. */
export function sourceOf(channelName: string, messageId: string): string {
  return `#${channelName} · ${messageId}`;
}
