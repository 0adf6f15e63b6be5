import type { Forgotten, PrivacyDesk, Removed } from "./chat/desk.ts";
import type { Database, Sql } from "./connections/postgres.ts";
import type { Snowflake } from "./envelope.ts";
import { readLastOf } from "./inbox/fates.ts";
import { bareAnswers, bareTurns, dropQuotations, readConcerned, readMadeFrom } from "./inbox/forgetting.ts";
import type { Inbox } from "./inbox/inbox.ts";
import { extendTurn, type Revoked } from "./inbox/revisions.ts";
import { isRemembered, storeRemembered } from "./inbox/rules.ts";
import { countVectors, readDoomed, readReplies, removeMemories } from "./memory/forget-all.ts";
import { rewriteSource } from "./memory/forget.ts";
import type { Memory } from "./memory/memory.ts";

/** Carries out what people decide about what is kept of them; see PrivacyDesk. */
export function makePrivacyDesk(options: {
  database: Database;
  inbox: Inbox;
  memory: Memory;
  retentionDays: () => number | null;
}): PrivacyDesk {
  const { database, inbox, memory, retentionDays } = options;
  return {
    retentionDays,
    isRemembered: (personId) => isRemembered(database, personId),
    setRemembered: (personId, wanted) => storeRemembered(database, personId, wanted),
    concerned: (what) => database.transaction(async (tx) => (await gather(tx, what)).removed),
    lastOf: (personId, conversationId) => readLastOf(database, personId, conversationId),
    forgetAll: async (what) => {
      const done = await database.transaction((tx) => forget(tx, what, inbox));
      inbox.revoked(done.revoked);
      inbox.wake();
      await Promise.all(done.conversations.map((id) => memory.dropRecent(id)));
      return done.removed;
    },
  };
}

/** Everything that a wish to forget means. */
async function gather(tx: Sql, what: Forgotten) {
  const concerned = await readConcerned(tx, what);
  // Also those that are no turns (another bot's, or older than the bot): replies quote them.
  const own = what.kind === "messages" ? what.messageIds : concerned.map(({ messageId }) => messageId);
  const answered = concerned.map(({ answeredAs }) => answeredAs);
  const doomed = await readDoomed(tx, what, { own, answered });
  const scopes = [...new Set(concerned.map(({ scope }) => scope))];
  const personId = what.kind === "person" ? what.personId : null;
  const madeFrom = await readMadeFrom(tx, { memories: doomed, messageIds: own, scopes, personId });
  const ownIds = new Set(own);
  const others = madeFrom.filter(({ messageId }) => !ownIds.has(messageId));
  const otherIds = others.map(({ messageId }) => messageId);
  const replies = await readReplies(tx, [...answered, ...otherIds]);
  const memoryIds = [...new Set([...doomed.map(({ id }) => id), ...replies])];
  const removed: Removed = {
    memories: memoryIds.length,
    turns: concerned.filter(({ hasWords }) => hasWords).length + others.length,
    vectors: await countVectors(tx, memoryIds),
  };
  const conversations = [...concerned, ...others, ...doomed].map(({ conversationId }) => conversationId);
  const answers = [...answered, ...otherIds];
  return { own, scopes, answers, memoryIds, removed, conversations: [...new Set(conversations)] };
}

async function remove(tx: Sql, what: Forgotten, { own, answers, memoryIds }: Awaited<ReturnType<typeof gather>>) {
  await removeMemories(tx, memoryIds);
  await bareTurns(tx, own);
  await bareAnswers(tx, answers);
  await dropQuotations(tx, own, what.kind === "person" ? what.personId : null);
}

interface Done {
  readonly removed: Removed;
  readonly conversations: readonly Snowflake[];
  readonly revoked: readonly Revoked[];
}

async function forget(tx: Sql, what: Forgotten, inbox: Inbox): Promise<Done> {
  const found = await gather(tx, what);
  const { own, scopes, removed, conversations } = found;
  const { revoked: gone } = await inbox.deleted(tx, own);
  // An answer that is being written has read what is forgotten now.
  const anew = await inbox.beginAnew(tx, scopes);
  // After the turns: whoever ends one holds it, and waits for the counts of words that this takes.
  await remove(tx, what, found);
  if (what.kind === "person") await tx.query("delete from feedback where user_id = $1", [what.personId]);
  return { removed, conversations, revoked: [...gone, ...anew] };
}

/**
 * What else becomes of messages that the inbox was told are deleted on Discord: they are forgotten, with all that was made from them. Resolves to the
 * conversations whose hot memory no longer holds.
 */
export async function forgetDeleted(tx: Sql, messageIds: readonly Snowflake[]): Promise<readonly Snowflake[]> {
  const what = { kind: "messages", messageIds } as const;
  const found = await gather(tx, what);
  await remove(tx, what, found);
  return found.conversations;
}

/** What is left in memory of a channel that is gone, and of its threads, once its messages are forgotten. Resolves as `forgetDeleted` does. */
export async function forgetPlace(tx: Sql, guildId: Snowflake, channelId: Snowflake): Promise<readonly Snowflake[]> {
  const left = await readDoomed(tx, { kind: "channel", guildId, channelId }, { own: [], answered: [] });
  await removeMemories(
    tx,
    left.map(({ id }) => id),
  );
  return [...new Set(left.map(({ conversationId }) => conversationId))];
}

/** As `forgetDeleted`, for a message that was edited: its old words go, and its memory gets the new ones; null: it is answered anew, and remembered then. */
export async function forgetEdited(tx: Sql, messageId: Snowflake, text: string | null): Promise<readonly Snowflake[]> {
  const { own, answers, memoryIds, conversations } = await gather(tx, { kind: "messages", messageIds: [messageId] });
  if (text !== null) await rewriteSource(tx, messageId, text);
  // A memory that was rewritten is another one.
  await removeMemories(tx, memoryIds);
  await bareAnswers(tx, answers);
  await dropQuotations(tx, own, null);
  return conversations;
}

/** What came to stand behind the links of a message is remembered with it. Resolves to the conversations whose hot memory no longer holds. */
export async function extendRemembered(tx: Sql, messageId: Snowflake, text: string): Promise<readonly Snowflake[]> {
  const conversationId = await extendTurn(tx, messageId, text);
  if (conversationId === null) return [];
  await rewriteSource(tx, messageId, text);
  return [conversationId];
}
