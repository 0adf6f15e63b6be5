import { join } from "node:path";
import type { Logger } from "pino";
import { answer, giveUp } from "../../src/answer.ts";
import type { Chat, Reply } from "../../src/chat/chat.ts";
import { makeDesk } from "../../src/desk.ts";
import type { Envelope } from "../../src/envelope.ts";
import { makeConsumer } from "../../src/inbox/consumer.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { makeMemory } from "../../src/memory/memory.ts";
import { makeInProcessRecentTurns } from "../../src/memory/recent-turns-in-process.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { makeBreaker } from "../../src/resilience/policies.ts";
import { makeTargets } from "../../src/resilience/targets.ts";
import { watchAgentsFile } from "../../src/settings/file-settings.ts";
import { makeThink } from "../../src/think/graph.ts";
import { apologyFor } from "../../src/think/ladder.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { byItself } from "../inbox/by-itself.ts";
import type { DatabaseKind } from "../servers/databases.ts";

/**
 * The product's own parts in this process, with a chat that takes down what is spoken, and faults that can be switched on. `meanwhile` is waited for at
 * the steps of a message.
 */
export async function openBot(
  log: Logger,
  { open, alone }: Pick<DatabaseKind, "open" | "alone"> = { open: openFreshDatabase, alone: true },
) {
  const signal = new AbortController().signal;
  const metrics = makeMetrics();
  const targets = makeTargets(
    { hotMemoryMs: 100, coldMemoryMs: 3_000, embeddingMs: 2_000, errorRate: 1 },
    metrics,
    log,
  );
  const database = await open();
  const model = makeOffline();
  const settings = watchAgentsFile(join(import.meta.dirname, "..", "..", "agents.yaml"), log);
  const inbox = makeInbox({ ...byItself, database, alone, log });
  const recentTurns = makeInProcessRecentTurns({
    lines: 20,
    maxAgeMs: 86_400_000,
    conversations: 10,
    now: () => Date.now(),
  });
  const breaker = makeBreaker({
    name: "memory_operations",
    failureThreshold: 5,
    recoveryMs: 60_000,
    counts: () => true,
  });
  const limits = { recentLines: 20, recentHours: 24, recallLimit: 10, recallTokens: 1_500, similarityThreshold: 0.7 };
  const alsoReadable = async () => "public" as const;
  const memory = makeMemory({ database, recentTurns, model, breaker, metrics, targets, log, limits, alsoReadable });
  const meanwhile = { thought: async () => {}, spoken: async () => {}, stored: async () => {} };
  const think = makeThink(model);
  const faults = { storing: 0, recall: false };
  const faulty = {
    ...memory,
    store: async (...args: Parameters<typeof memory.store>) => {
      if (faults.storing > 0) {
        faults.storing -= 1;
        throw new Error("the disk is full");
      }
      const refresh = await memory.store(...args);
      await meanwhile.stored();
      return refresh;
    },
    recall: async (...args: Parameters<typeof memory.recall>) => {
      if (faults.recall) throw new TypeError("a bug");
      return memory.recall(...args);
    },
  };
  const spoken: Reply[] = [];
  const waiting = new Map<string, (reply: Reply) => void>();
  const chat: Chat = {
    name: "chat",
    start: async () => {},
    stop: async () => {},
    show: () => {},
    read: async () => [],
    speak: async (reply) => {
      spoken.push(reply);
      await meanwhile.spoken();
      waiting.get(reply.envelope.messageId)?.(reply);
    },
  };
  const thinking: typeof think = async (...args) => {
    const thought = await think(...args);
    await meanwhile.thought();
    return thought;
  };
  const rooms = { inbox, settings, memory: faulty, think: thinking, chat, metrics, targets, log };
  const consumer = makeConsumer({
    inbox,
    answer: (turn, deadline) => answer(turn, rooms, deadline),
    giveUp: (turn, error) => giveUp(turn, apologyFor(turn, error), rooms),
    lanes: 4,
    turnDeadlineMs: 30_000,
    pollMs: 20,
    onStop: () => {},
    log,
  });
  for (const part of [settings, inbox, consumer]) await part.start(signal, () => {});
  let messageId = 1_500_000_000_000_000_000n;
  return {
    database,
    inbox,
    memory,
    spoken,
    meanwhile,
    desk: makeDesk({
      database,
      memory,
      settings,
      health: async () => ({ waiting: 0, model: "ready" }),
      status: async () => ({}),
    }),
    failStoring: (times: number) => {
      faults.storing = times;
    },
    /** Also makes deferred turns due at once, so that nobody waits for a back-off. */
    breakRecall: async () => {
      faults.recall = true;
      await database.query(`
        create function due_now() returns trigger language plpgsql as
          'begin new.start_after := least(new.start_after, now()); return new; end';
        create trigger due_now before update on pgboss.job for each row execute function due_now();`);
    },
    idle: () => consumer.drained(AbortSignal.timeout(20_000)),
    /** Resolves to the answer to `text`. */
    say: async (text: string, over: Partial<Envelope> = {}): Promise<Reply> => {
      messageId += 1n;
      const envelope = { ...plainEnvelope, messageId: String(messageId), text, receivedAt: new Date(), ...over };
      const answered = new Promise<Reply>((resolve) => waiting.set(envelope.messageId, resolve));
      await inbox.keep(envelope, "mention");
      const reply = await answered;
      await consumer.drained(AbortSignal.timeout(20_000));
      return reply;
    },
    close: async () => {
      await consumer.stop(AbortSignal.timeout(5_000));
      await inbox.stop(AbortSignal.timeout(5_000));
      await settings.stop(AbortSignal.timeout(5_000));
      await database.close();
    },
  };
}

const plainEnvelope: Envelope = {
  messageId: "0",
  guildId: "7",
  guildName: "terminal",
  channelId: "10",
  channelName: "general",
  audience: "public",
  conversationId: "10",
  author: { id: "5", name: "Mia", kind: "person" },
  text: "",
  receivedAt: new Date(),
  addressed: true,
  addressedAgent: null,
  locale: null,
};
