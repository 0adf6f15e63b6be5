import type { Snowflake } from "../envelope.ts";
import type { KnownTurns, RecentTurns } from "./recent-turns.ts";

/** Hot memory of one process: the most recently used conversations, each with its last lines. */
export function makeInProcessRecentTurns(options: {
  lines: number;
  maxAgeMs: number;
  conversations: number;
  now: () => number;
}): RecentTurns {
  const all = new Map<Snowflake, KnownTurns>();
  const keep = (conversationId: Snowflake, { revision, lines }: KnownTurns) => {
    all.delete(conversationId);
    all.set(conversationId, { revision, lines: lines.slice(-options.lines) });
    const [oldest] = all.keys();
    if (all.size > options.conversations && oldest !== undefined) all.delete(oldest);
  };
  return {
    read: async (conversationId) => {
      const known = all.get(conversationId);
      if (known === undefined) return null;
      keep(conversationId, known);
      const isRecent = ({ at }: { at: Date }) => options.now() - at.getTime() <= options.maxAgeMs;
      return { revision: known.revision, lines: known.lines.filter(isRecent) };
    },
    replace: async (conversationId, known) => keep(conversationId, known),
    append: async (conversationId, { before, after }, lines) => {
      const known = all.get(conversationId);
      if (known?.revision === before) keep(conversationId, { revision: after, lines: [...known.lines, ...lines] });
      else all.delete(conversationId);
    },
    drop: async (conversationId) => {
      all.delete(conversationId);
    },
  };
}
