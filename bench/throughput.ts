import { join } from "node:path";
import { pino } from "pino";
import type { Chat } from "../src/chat/chat.ts";
import { readConfig } from "../src/config.ts";
import type { Envelope } from "../src/envelope.ts";
import { makeMetrics } from "../src/metrics.ts";
import { makeAnswering } from "../src/roles/answering.ts";
import { makeFoundation } from "../src/roles/foundation.ts";
import { startRedis } from "../test/servers/redis.ts";
import { startGeminiSimulator } from "../test/simulators/gemini/simulator.ts";
import { pause } from "../test/soak/crew.ts";
import { machine, median, ratio } from "./machine.ts";
import { openCheckpointedBot } from "./peers/checkpointed.ts";
import { inFreshDatabase, startHonestPostgres } from "./place.ts";

const messages = 1_000;
const conversations = 50;
const guilds = 10;
const lanes = 16;
/** As many events a gateway stores in one transaction when many come at once. */
const batch = 50;
/** Both answer some before the clock runs. */
const warmUp = 100;

/**
 * P2: messages a second that one process answers from its inbox, with a model that answers at once and a chat that takes no time (Discord's own
 * 50 requests a second would be the limit otherwise); beside it a LangGraph bot with PostgresSaver and one query a step.
 */
export async function benchThroughput(rounds: number): Promise<object> {
  const [server, redis] = await Promise.all([startHonestPostgres(), startRedis()]);
  const ours: number[] = [];
  const peer: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      ours.push(await inFreshDatabase(server.url, (database) => measureOurs(database.url, redis.url)));
      const theirs = await inFreshDatabase(server.url, (database) => measurePeer(database.url));
      if (theirs !== null) peer.push(theirs);
    }
  } finally {
    await Promise.all([server.close(), redis.close()]);
  }
  const figures = {
    perSecond: median(ours),
    langgraphWithPostgresSaverPerSecond: peer.length === 0 ? "not installed" : median(peer),
    timesThePeer: peer.length === 0 ? null : ratio(median(ours), median(peer)),
  };
  return {
    bench: "p2",
    rounds,
    each: { ours, peer },
    figures,
    goals: { perSecond: 150, timesThePeer: 3 },
    ratioToGoal: {
      perSecond: ratio(150, figures.perSecond),
      ...(figures.timesThePeer === null ? {} : { timesThePeer: ratio(3, figures.timesThePeer) }),
    },
    machine: machine(peer.length === 0 ? [] : ["@langchain/langgraph-checkpoint-postgres"]),
  };
}

async function measureOurs(postgres: string, redis: string): Promise<number> {
  const gemini = await startGeminiSimulator();
  const log = pino({ level: "silent" });
  const config = readConfig({
    POSTGRESQL_URL: postgres,
    REDIS_URL: redis,
    POSTGRES_POOL_MAX_SIZE: "20",
    LANES: String(lanes),
    GEMINI_API_KEY: "x",
    GEMINI_BASE_URL: gemini.url,
    GEMINI_REQUESTS_PER_MINUTE: "1000000",
  });
  const lifecycle = {
    isReady: () => true,
    hasStarted: () => true,
    obstacleOf: () => null,
    failedForGood: () => null,
    requestStop: () => {},
  };
  const agentsPath = join(import.meta.dirname, "..", "agents.yaml");
  const options = {
    config,
    secrets: {},
    version: "bench",
    dataDir: "data",
    agentsPath,
    lifecycle,
    metrics: makeMetrics(),
    log,
  };
  const foundation = makeFoundation(options, () => async () => []);
  let answered = 0;
  const chat: Chat = {
    name: "chat",
    start: async () => {},
    stop: async () => {},
    show: () => {},
    read: async () => [],
    speak: async () => void (answered += 1),
  };
  const consumer = makeAnswering(options, foundation, chat);
  const { settings, connections, inbox, embedding } = foundation;
  const parts = [settings, ...connections, inbox, embedding, consumer];
  const { signal } = new AbortController();
  for (const part of parts) await part.start(signal, () => {});
  const say = async (from: number, count: number) => {
    for (let n = from; n < from + count; n += batch) {
      const heard = Array.from({ length: batch }, (_, i) => ({
        envelope: envelope(n + i),
        priority: "mention" as const,
      }));
      await foundation.postgres.database.transaction((tx) => inbox.keepAll(tx, heard));
      inbox.wake();
    }
    while (answered < from + count) await pause(5);
  };
  await say(0, warmUp);
  const began = performance.now();
  await say(warmUp, messages);
  const seconds = (performance.now() - began) / 1_000;
  for (const part of parts.toReversed()) await part.stop(AbortSignal.timeout(10_000));
  await gemini.stop();
  return Math.round(messages / seconds);
}

async function measurePeer(postgres: string): Promise<number | null> {
  const gemini = await startGeminiSimulator();
  const bot = await openCheckpointedBot({ url: postgres, geminiUrl: gemini.url });
  if (bot === null) return null;
  const say = async (from: number, count: number) => {
    let next = from;
    // A conversation is answered in its order, as ours is.
    const last = new Map<string, Promise<unknown>>();
    const lane = async () => {
      while (next < from + count) {
        const n = next++;
        const conversation = String(n % conversations);
        const turn = (last.get(conversation) ?? Promise.resolve()).then(() => bot.answer(conversation, textOf(n)));
        last.set(conversation, turn);
        await turn;
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };
  await say(0, warmUp);
  const began = performance.now();
  await say(warmUp, messages);
  const seconds = (performance.now() - began) / 1_000;
  await bot.close();
  await gemini.stop();
  return Math.round(messages / seconds);
}

const textOf = (n: number) => `question ${n} about the river and the market in winter`;

function envelope(n: number): Envelope {
  const conversation = String(10 + (n % conversations));
  return {
    messageId: String(1_500_000_000_000_000_000n + BigInt(n)),
    guildId: String(7 + (n % guilds)),
    guildName: "Bench",
    channelId: conversation,
    channelName: `channel-${conversation}`,
    audience: "public",
    conversationId: conversation,
    author: { id: "5", name: "Mia", kind: "person" },
    text: textOf(n),
    receivedAt: new Date(),
    addressed: true,
    addressedAgent: "mira",
    locale: null,
  };
}
