import type { Snowflake } from "../envelope.ts";
import type { RecentLine, RecentTurns } from "./recent-turns.ts";

/** Hot memory of one process: the most recently used conversations, each with its last lines. */
export function makeInProcessRecentTurns(options: {
  lines: number;
  maxAgeMs: number;
  conversations: number;
  now: () => number;
}): RecentTurns {
  const known = new Map<Snowflake, readonly RecentLine[]>();
  const keep = (conversationId: Snowflake, lines: readonly RecentLine[]) => {
    known.delete(conversationId);
    known.set(conversationId, lines.slice(-options.lines));
    const [oldest] = known.keys();
    if (known.size > options.conversations && oldest !== undefined) known.delete(oldest);
  };
  return {
    read: async (conversationId) => {
      const lines = known.get(conversationId);
      if (lines === undefined) return null;
      keep(conversationId, lines);
      return lines.filter((line) => options.now() - line.at.getTime() <= options.maxAgeMs);
    },
    replace: async (conversationId, lines) => keep(conversationId, lines),
    append: async (conversationId, lines) => {
      const before = known.get(conversationId);
      if (before !== undefined) keep(conversationId, [...before, ...lines]);
    },
    drop: async (conversationId) => {
      known.delete(conversationId);
    },
  };
}
