import type { Snowflake } from "../envelope.ts";

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
