import type { Receipt } from "./chat/chat.ts";
import type { Desk } from "./chat/desk.ts";
import type { Database } from "./connections/postgres.ts";
import { findForgettable, forgetMemories, listMemories, textsOf } from "./memory/forget.ts";
import type { Memory } from "./memory/memory.ts";
import type { Settings } from "./settings/settings.ts";

/** Answers what people ask about the bot itself; see Desk. */
export function makeDesk(options: {
  database: Database;
  memory: Memory;
  settings: Settings;
  status: (signal: AbortSignal) => Promise<Readonly<Record<string, unknown>>>;
}): Desk {
  const { database, memory, settings } = options;
  return {
    agents: () => {
      const { agents, defaultAgent } = settings.current();
      return [defaultAgent, ...agents.filter((agent) => agent !== defaultAgent)].map(
        ({ name, displayName, description }) => ({
          name,
          displayName,
          description,
          isDefault: name === defaultAgent.name,
        }),
      );
    },
    memories: (place, words, limit) => listMemories(database, place, words, limit),
    matching: (place, target) => findForgettable(database, place, target),
    forget: async (place, ids) => {
      const { removed, conversations } = await forgetMemories(database, place, ids);
      await Promise.all(conversations.map((conversation) => memory.dropRecent(conversation)));
      return removed;
    },
    lastReceipt: async (place) => {
      const [row] = await database.query<{ receipt: Receipt }>(
        `select receipt from turns where conversation_id = $1 and state = 'answered' and receipt is not null
         order by message_id desc limit 1`,
        [place.conversationId],
      );
      if (row === undefined) return null;
      const texts = await textsOf(
        database,
        place,
        row.receipt.memories.map((recalled) => recalled.id),
      );
      const memories = row.receipt.memories.map((recalled) => ({
        ...recalled,
        text: texts.get(recalled.id) ?? "(forgotten since)",
        createdAt: new Date(recalled.createdAt),
      }));
      return { ...row.receipt, memories };
    },
    status: options.status,
  };
}
