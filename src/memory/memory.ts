import type { Database, Sql } from "../connections/postgres.ts";
import { scopeOf, subjectOf, type Envelope } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Model } from "../model/model.ts";
import type { Breaker } from "../resilience/policies.ts";
import type { Targets } from "../resilience/targets.ts";
import { recall, type Readable, type Recollection } from "./recall.ts";
import {
  readAnew,
  readRecentTurns,
  readRevision,
  readRevisionChange,
  type RecentLine,
  type RecentTurns,
} from "./recent-turns.ts";
import { remember, type NewMemory } from "./remember.ts";
import type { Agent } from "../settings/settings.ts";
import { makeQueryVectors, type Asked } from "./vectors.ts";

/** What memory holds about a message. */
export interface Recalled {
  /** Today's conversation, oldest first, without the message itself. */
  readonly recent: readonly RecentLine[];
  /** Best first. */
  readonly recollections: readonly Recollection[];
  /** Plain sentences about what could not be looked up. */
  readonly notes: readonly string[];
}

/** Both layers of memory. What is looked up here never fails a turn: what cannot be read is left out and noted. */
export interface Memory {
  /** Looks as far as every one of `agents` (those that may answer) is allowed to; what the model is asked for has the priority of the turn. */
  recall(asked: Asked, agents: readonly Pick<Agent, "memory">[], signal: AbortSignal): Promise<Recalled>;
  /**
   * Stores what was said, one message or several that were answered together, and the reply; part of the transaction that ends the turn. Resolves to
   * what brings hot memory up to date, to be called once that transaction has committed.
   */
  store(tx: Sql, said: readonly Envelope[], reply: Reply | null): Promise<() => Promise<void>>;
  /** Drops what hot memory holds of a conversation. */
  dropRecent(conversationId: string): Promise<void>;
}

export interface MemoryOptions {
  readonly database: Database;
  readonly recentTurns: RecentTurns;
  readonly model: Model;
  readonly breaker: Breaker;
  readonly metrics: Metrics;
  readonly targets: Targets;
  readonly log: Logger;
  /** The channels whose memories may be used to answer a message, besides its own channel's. */
  readonly alsoReadable: (envelope: Envelope) => Promise<Readable>;
  readonly limits: {
    recentLines: number;
    recentHours: number;
    recallLimit: number;
    recallTokens: number;
    similarityThreshold: number;
  };
}

export function makeMemory(options: MemoryOptions): Memory {
  const { database, recentTurns, limits } = options;
  const readRecent = makeRecentReader(options);
  const queryVectors = makeQueryVectors(options);

  const recallCold = async (asked: Asked, within: "channel" | "scope", signal: AbortSignal) => {
    const { envelope } = asked;
    const [alsoReadable, { vectors, note }] = await Promise.all([
      within === "channel" ? [] : options.alsoReadable(envelope),
      queryVectors.of(asked, signal),
    ]);
    const found = await recall(database, {
      words: subjectOf(envelope),
      locale: envelope.locale,
      scope: scopeOf(envelope),
      channelId: envelope.channelId,
      alsoReadable,
      vectors,
      limit: limits.recallLimit,
      now: new Date(),
    });
    return { found: withinBudget(found, limits.recallTokens), note };
  };

  return {
    recall: async (asked, agents, signal) => {
      const within = reach(agents);
      const notes: string[] = [];
      const lost = (what: string) => (error: unknown) => {
        options.log.warn({ err: asError(error), component: "memory" }, `${what} could not be read`);
        notes.push(`${what} could not be read`);
        return null;
      };
      const [recent, cold] = await Promise.all([
        measured(options, "hot_read", "hot_memory_ms", () => readRecent(asked.envelope, signal)).catch(
          lost("today's conversation"),
        ),
        within === "nothing"
          ? null
          : measured(options, "cold_recall", "cold_memory_ms", () =>
              options.breaker.execute(() => recallCold(asked, within, signal), signal),
            ).catch(lost("long-term memory")),
      ]);
      if (cold?.note) notes.push(cold.note);
      return { recent: recent ?? [], recollections: cold?.found ?? [], notes };
    },
    // Not behind the breaker: what was answered must be stored, and refusing to try would answer it again.
    store: async (tx, parts, reply) => {
      const said = await readAnew(tx, parts);
      const [first, last] = [said[0], said.at(-1)];
      if (first === undefined || last === undefined) return async () => {};
      const { conversationId } = first;
      const { at, ...change } = await readRevisionChange(tx, { first, last, lines: limits.recentLines });
      const answer = reply && { ...reply, at };
      // Last before the commit: until then it holds the counts of the scope's words, which every other turn of the guild wants.
      await measured(options, "store", null, () => remember(tx, memoriesOf(said, answer)));
      return () => recentTurns.append(conversationId, change, linesOf(said, answer), soon()).catch(() => {});
    },
    dropRecent: (conversationId) => recentTurns.drop(conversationId, soon()).catch(() => {}),
  };
}

/** Reads today's conversation from hot memory when it has seen all that Postgres has, and otherwise rebuilds it. */
function makeRecentReader({ database, recentTurns, limits, breaker }: MemoryOptions) {
  return async (envelope: Envelope, signal: AbortSignal): Promise<readonly RecentLine[]> => {
    const { conversationId } = envelope;
    // Not through the breaker: that this succeeds says nothing about what is asked less often and costs more.
    const look = () => readRevision(database, envelope, limits.recentLines);
    const [revision, cached] = await Promise.all([look(), recentTurns.read(conversationId, signal).catch(() => null)]);
    if (cached?.revision === revision) return cached.lines;
    const lines = await breaker.execute(() => readRecentTurns(database, envelope, limits), signal);
    // Lines that are newer than their revision would be added to it once more.
    if ((await look()) === revision)
      await recentTurns.replace(conversationId, { revision, lines }, signal).catch(() => {});
    return lines;
  };
}

function reach(agents: readonly Pick<Agent, "memory">[]): "nothing" | "channel" | "scope" {
  if (agents.some((agent) => !agent.memory.recall)) return "nothing";
  return agents.some((agent) => agent.memory.scope === "channel") ? "channel" : "scope";
}

/** Runs a memory operation and writes its metrics and its target. */
async function measured<T>(
  { metrics, targets }: MemoryOptions,
  operation: string,
  target: "hot_memory_ms" | "cold_memory_ms" | null,
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  let status = "error";
  try {
    const result = await work();
    status = "success";
    return result;
  } finally {
    const ms = performance.now() - started;
    metrics.memoryOperations.inc({ operation_type: operation, status });
    metrics.memoryOperationSeconds.observe({ operation_type: operation }, ms / 1000);
    if (target !== null) targets.observe(target, ms);
  }
}

/** A cache that takes longer is none; what it does not hear of it finds out by the revision. */
const soon = () => AbortSignal.timeout(1_000);

/** What an agent has said. When, is told by Postgres: of an answer that a clock dates into the future, recall would say so, and it would be embedded late. */
type Reply = { readonly agent: string; readonly displayName: string; readonly text: string };
type SpokenReply = (Reply & { readonly at: Date }) | null;

/** A reply belongs to the last message it answers. */
function memoriesOf(said: readonly Envelope[], reply: SpokenReply): NewMemory[] {
  const worded = said.filter(({ text }) => text !== "");
  const messages = worded.map((envelope): NewMemory => ({
    ...placeOf(envelope),
    authorId: envelope.author.id,
    authorName: envelope.author.name,
    agent: null,
    kind: "message",
    text: envelope.text,
    createdAt: envelope.receivedAt,
    importance: 0.5,
  }));
  const last = said.at(-1);
  if (reply === null || last === undefined) return messages;
  const answered: NewMemory = {
    ...placeOf(last),
    authorId: null,
    authorName: reply.displayName,
    agent: reply.agent,
    kind: "reply",
    text: reply.text,
    createdAt: reply.at,
    // What people say weighs more than what an agent said about it.
    importance: 0.2,
  };
  return [...messages, answered];
}

function placeOf(envelope: Envelope) {
  return {
    guildId: envelope.guildId,
    channelId: envelope.channelId,
    channelName: envelope.channelName,
    conversationId: envelope.conversationId,
    audience: envelope.audience,
    sourceMessageId: envelope.messageId,
    locale: envelope.locale,
  };
}

function linesOf(said: readonly Envelope[], reply: SpokenReply): RecentLine[] {
  const worded = said.filter(({ text }) => text !== "");
  const lines = worded.map((envelope): RecentLine => ({
    messageId: envelope.messageId,
    author: envelope.author.name,
    authorId: envelope.author.id,
    agent: null,
    text: envelope.text,
    at: envelope.receivedAt,
  }));
  const last = said.at(-1);
  if (reply === null || last === undefined) return lines;
  const { displayName: author, agent, text, at } = reply;
  return [...lines, { messageId: last.messageId, author, authorId: "0", agent, text, at }];
}

function withinBudget(found: readonly Recollection[], tokens: number): readonly Recollection[] {
  let left = tokens;
  return found.filter(({ text }) => {
    // Four characters a token is the provider's own rule of thumb; the dates and names around a memory take about 20.
    left -= Math.ceil(text.length / 4) + 20;
    return left >= 0;
  });
}
