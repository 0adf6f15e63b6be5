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

/**
 * The hot layer: the last lines of each conversation, a cache in front of Postgres. Null means "I do not know, read
 * Postgres", never "there are none". A throw or a timeout means the same as null and is counted; it fails no turn.
 */
export interface RecentTurns {
  /** Oldest first, at most the configured number of lines, none older than the configured age. */
  read(conversationId: Snowflake, signal: AbortSignal): Promise<readonly RecentLine[] | null>;
  /** Replaces what is known, oldest first: the way a cache is rebuilt from Postgres. */
  replace(conversationId: Snowflake, lines: readonly RecentLine[], signal: AbortSignal): Promise<void>;
  /** Adds lines to a conversation that is known; does nothing for one that is not. */
  append(conversationId: Snowflake, lines: readonly RecentLine[], signal: AbortSignal): Promise<void>;
  /** Drops a conversation, so that the next read is rebuilt without what was forgotten or edited. */
  drop(conversationId: Snowflake, signal: AbortSignal): Promise<void>;
}

/** Knows nothing: every read goes to Postgres. */
export const uncachedRecentTurns: RecentTurns = {
  read: async () => null,
  replace: async () => {},
  append: async () => {},
  drop: async () => {},
};

interface Row {
  message_id: string;
  author_id: string;
  author_name: string;
  text: string;
  received_at: Date;
  draft: string | null;
  agent: string | null;
  agent_name: string | null;
  finished_at: Date | null;
}

/** Reads hot memory from the truth: the lines before a message, oldest first, without what was forgotten. */
export async function readRecentTurns(
  sql: Sql,
  envelope: Envelope,
  limits: { recentLines: number; recentHours: number },
): Promise<readonly RecentLine[]> {
  const rows = await sql.query<Row>(
    `select message_id, author_id, author_name, text, received_at, agent, receipt->>'agentDisplayName' as agent_name, finished_at,
       case when state = 'answered' then draft end as draft
     from turns
     where conversation_id = $1 and message_id < $2 and received_at > $3::timestamptz - make_interval(hours => $4)
       and state in ('answered', 'ignored')
     order by message_id desc limit $5`,
    [envelope.conversationId, envelope.messageId, envelope.receivedAt, limits.recentHours, limits.recentLines],
  );
  return rows.toReversed().flatMap(toLines).slice(-limits.recentLines);
}

function toLines(row: Row): RecentLine[] {
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
  if (row.draft !== null && row.agent !== null) {
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
