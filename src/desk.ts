import type { RecalledMemory, Receipt } from "./chat/chat.ts";
import type { Desk, Health, MayRead, ModerationDesk, ShownReceipt, Which } from "./chat/desk.ts";
import type { Database, Sql } from "./connections/postgres.ts";
import { readFate, readReceipt } from "./inbox/fates.ts";
import { dropSilence, isSilenced, storeSilence } from "./inbox/rules.ts";
import { findForgettable, forgetMemories, listMemories, placedMemories, textsOf } from "./memory/forget.ts";
import type { Memory } from "./memory/memory.ts";
import type { Settings } from "./settings/settings.ts";

/** Answers what people ask about the bot itself; see Desk. */
export function makeDesk(options: {
  database: Database;
  memory: Memory;
  settings: Settings;
  health: () => Promise<Health>;
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
    memories: (place, words, limit) => listMemories(database, place, words, limit, "all"),
    ownMemories: (place, words, limit) => listMemories(database, place, words, limit, "own"),
    matching: (place, target) => findForgettable(database, place, target),
    forget: async (place, ids) => {
      const { removed, conversations } = await forgetMemories(database, place, ids);
      await Promise.all(conversations.map((conversation) => memory.dropRecent(conversation)));
      return removed;
    },
    lastReceipt: async (place) => {
      const [row] = await database.query<{ receipt: Receipt }>(
        `select receipt from turns where conversation_id = $1 and state = 'answered' and receipt->>'agent' is not null
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
    receipt: (which, mayRead) => showReceipt(database, which, mayRead),
    health: options.health,
    status: options.status,
  };
}

/** Does what moderators ask for; see ModerationDesk. */
export function makeModerationDesk(database: Database): ModerationDesk {
  return {
    silence: (placeId, byId, minutes) => storeSilence(database, placeId, byId, minutes),
    resume: (placeId) => dropSilence(database, placeId),
    isSilent: (spot) => isSilenced(database, spot),
    fate: (which) => readFate(database, which),
  };
}

async function showReceipt(sql: Sql, which: Which, mayRead: MayRead): Promise<ShownReceipt | "forbidden" | null> {
  const found = await readReceipt(sql, which);
  if (found === null) return null;
  if (!(await mayRead(found.spot))) return "forbidden";
  const { memories, ...receipt } = found.receipt;
  const known = await placedMemories(
    sql,
    memories.map(({ id }) => id),
  );
  const shown: RecalledMemory[] = [];
  let hidden = 0;
  for (const { id, score } of memories) {
    const one = known.get(id);
    // What was forgotten since is not told of either.
    if (one === undefined) continue;
    if (await mayRead(one.spot)) shown.push({ ...one.memory, score });
    else hidden += 1;
  }
  return { receipt: { ...receipt, memories: shown }, hidden };
}
