import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";

/** One line of today's conversation. */
export interface RecentLine {
  readonly messageId: Snowflake;
  readonly author: string;
  readonly authorId: Snowflake;
  /** The agent that said it; null when a person did. */
  readonly agent: string | null;
  readonly text: string;
  readonly at: Date;
}

/** The lines of a conversation as of one of its revisions; see `readRevision`. */
export interface KnownTurns {
  readonly revision: string;
  /** Oldest first, at most the configured number of lines, none older than the configured age. */
  readonly lines: readonly RecentLine[];
}

/** What happened to a conversation when something was said in it. */
export interface RevisionChange {
  readonly before: string;
  readonly after: string;
}

/**
 * The hot layer: the last lines of each conversation, a cache in front of Postgres. Null means "I do not know, read
 * Postgres", never "there are none". A throw or a timeout means the same as null and is counted; it fails no turn.
 */
export interface RecentTurns {
  read(conversationId: Snowflake, signal: AbortSignal): Promise<KnownTurns | null>;
  /** Replaces what is known: the way a cache is rebuilt from Postgres. */
  replace(conversationId: Snowflake, known: KnownTurns, signal: AbortSignal): Promise<void>;
  /** Adds lines to a conversation that is known as of `change.before`, and drops one that is known as of any other revision. */
  append(
    conversationId: Snowflake,
    change: RevisionChange,
    lines: readonly RecentLine[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Drops a conversation, so that the next read is rebuilt without what was forgotten or edited. */
  drop(conversationId: Snowflake, signal: AbortSignal): Promise<void>;
}

/**
 * The transactions that wrote the last rows of a conversation up to `$n`: whatever changes one of them changes this, whoever does it. Rows without
 * words are none: otherwise the last lines could come from rows that this does not see.
 */
const revisionUpTo = (upTo: string) => `(
  select coalesce(md5(string_agg(message_id::text || ' ' || xmin::text, ',' order by message_id)), '')
  from (select message_id, xmin from turns
    where conversation_id = $1 and message_id <= ${upTo} and state in ('answered', 'ignored') and (text <> '' or draft is not null)
    order by message_id desc limit $2) last)`;

/** What hot memory must have seen to be used for a message: the revision of its conversation before it. */
export async function readRevision(
  sql: Sql,
  { conversationId, messageId }: Pick<Envelope, "conversationId" | "messageId">,
  lines: number,
): Promise<string> {
  const [row] = await sql.query<{ revision: string }>(`select ${revisionUpTo("$3::bigint - 1")} as revision`, [
    conversationId,
    lines,
    messageId,
  ]);
  return row?.revision ?? "";
}

/** What the messages from `first` to `last` made of their conversation, and when, by the clock of Postgres; asked in the transaction that ends their turn. */
export async function readRevisionChange(
  sql: Sql,
  { first, last, lines }: { first: Envelope; last: Envelope; lines: number },
): Promise<RevisionChange & { readonly at: Date }> {
  const [row] = await sql.query<RevisionChange & { at: Date }>(
    `select ${revisionUpTo("$3::bigint - 1")} as before, ${revisionUpTo("$4::bigint")} as after, now() as at`,
    [first.conversationId, lines, first.messageId, last.messageId],
  );
  return row ?? { before: "", after: "", at: last.receivedAt };
}

/** These messages with the words that they have by now, and keep until the transaction ends: links may have unfurled since they were taken up. */
export async function readAnew(sql: Sql, said: readonly Envelope[]): Promise<readonly Envelope[]> {
  const rows = await sql.query<{ message_id: Snowflake; text: string }>(
    "select message_id, text from turns where message_id = any($1::bigint[]) order by message_id for share",
    [said.map(({ messageId }) => messageId)],
  );
  const texts = new Map(rows.map((row) => [row.message_id, row.text]));
  return said.map((envelope) => ({ ...envelope, text: texts.get(envelope.messageId) ?? "" }));
}

interface Row {
  message_id: string;
  author_id: string;
  author_name: string;
  text: string;
  received_at: Date;
  /** The turn that it was answered in. */
  turn_id: string;
  draft: string | null;
  agent: string | null;
  agent_name: string | null;
  finished_at: Date | null;
}

/** Reads hot memory from the truth: the lines before a message, oldest first, without what was forgotten. */
export async function readRecentTurns(
  sql: Sql,
  envelope: Pick<Envelope, "conversationId" | "messageId" | "receivedAt">,
  limits: { recentLines: number; recentHours: number },
): Promise<readonly RecentLine[]> {
  const rows = await sql.query<Row>(
    `select t.message_id, t.author_id, t.author_name, t.text, t.received_at, a.message_id as turn_id, a.agent,
       a.receipt->>'agentDisplayName' as agent_name, a.finished_at, case when a.state = 'answered' then a.draft end as draft
     from turns t join turns a on a.message_id = case when t.state = 'ignored' then coalesce(t.answered_with, t.message_id) else t.message_id end
     where t.conversation_id = $1 and t.message_id < $2 and t.received_at > $3::timestamptz - make_interval(hours => $4)
       and t.state in ('answered', 'ignored') and (t.text <> '' or t.draft is not null)
     order by t.message_id desc limit $5`,
    [envelope.conversationId, envelope.messageId, envelope.receivedAt, limits.recentHours, limits.recentLines],
  );
  return rows.toReversed().flatMap(toLines).slice(-limits.recentLines);
}

/** Messages that were answered together stand before their answer, as they were said. */
function toLines(row: Row, index: number, rows: readonly Row[]): RecentLine[] {
  const lines: RecentLine[] = [];
  const { message_id: messageId } = row;
  if (row.text !== "") {
    lines.push({
      messageId,
      author: row.author_name,
      authorId: row.author_id,
      agent: null,
      text: row.text,
      at: row.received_at,
    });
  }
  const isLast = rows[index + 1]?.turn_id !== row.turn_id;
  if (isLast && row.draft !== null && row.agent !== null) {
    const author = row.agent_name ?? row.agent;
    lines.push({
      messageId,
      author,
      authorId: "0",
      agent: row.agent,
      text: row.draft,
      at: row.finished_at ?? row.received_at,
    });
  }
  return lines;
}
