import { join } from "node:path";
import { pino } from "pino";
import { expect, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { openPostgres } from "../../src/connections/postgres.ts";
import { makeRedis } from "../../src/connections/redis.ts";
import { readRecentTurns, readRevision } from "../../src/memory/recent-turns.ts";
import { makeRedisRecentTurns } from "../../src/memory/recent-turns-redis.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import { partOf, runToEnd, type Ended, type Watched } from "./process.ts";
import { unguarded } from "../resilience/unguarded.ts";

/** Gateways and workers of one bot, each a process of its own, and what people ask them. */
export interface Fleet {
  readonly discord: DiscordSimulator;
  readonly gemini: Simulator;
  readonly processes: readonly Watched[];
  /** Where the first question is asked. */
  readonly channel: { readonly id: string };
  /** Brings the database to the schema they need, with `ROLE=migrate`; resolves when it has ended well. */
  readonly migrate: () => Promise<void>;
  /** Begins a process that may wait for something before it is ready. */
  readonly begin: (role: "gateway" | "worker", env?: Readonly<Record<string, string>>) => Promise<Watched>;
  /** Resolves when it is ready. */
  readonly start: (role: "gateway" | "worker", env?: Readonly<Record<string, string>>) => Promise<Watched>;
  /** Runs a role that will not stay. */
  readonly run: (role: "gateway" | "worker" | "migrate", env?: Readonly<Record<string, string>>) => Promise<Ended>;
  /** Ann asks so many questions, in turn in each of three channels. */
  readonly ask: (count: number) => void;
  /** Resolves when so many of all questions have an answer. */
  readonly answered: (count: number) => Promise<void>;
  /** Resolves when every question has an answer, and sees that it has one and no more, and that none came before an earlier one's. */
  readonly answeredOnce: () => Promise<void>;
  /** Resolves when hot memory in Redis is there for every channel, and the same as what Postgres says. */
  readonly rememberedInRedis: () => Promise<void>;
  /** Sees that nobody made a mistake: no rejection that nobody handled, no error but `known` ones, no limit broken, no message twice. */
  readonly withoutFault: (known?: RegExp) => void;
  readonly close: () => Promise<void>;
}

const agents = join(import.meta.dirname, "..", "..", "agents.yaml");
const requestsPerMinute = 300;
const recent = { recentLines: 20, recentHours: 24 };

/** Opens a fleet on these servers; no process of it runs yet. */
export async function openFleet(servers: { postgres: string; redis: string | null }): Promise<Fleet> {
  const [discord, gemini, folder] = await Promise.all([
    startDiscordSimulator(),
    startGeminiSimulator({ requestsPerMinute, enforce: true }),
    temporaryFolder(),
  ]);
  const { ann, guild, general } = furnish(discord);
  const { world } = discord;
  const channels = [general, ...["random", "kitchen"].map((name) => world.addChannel(guild, { name }))];
  const asked = channels.map((): string[] => []);
  const processes: Watched[] = [];
  const shared = {
    POSTGRESQL_URL: servers.postgres,
    ...(servers.redis === null ? {} : { REDIS_URL: servers.redis }),
    GEMINI_API_KEY: "x",
    GEMINI_BASE_URL: gemini.url,
    GEMINI_REQUESTS_PER_MINUTE: String(requestsPerMinute),
  };
  const repliesIn = (channel: { readonly id: string }) => answersIn(discord, channel).map(({ replyTo }) => replyTo);
  const count = () => channels.reduce((sum, channel) => sum + new Set(repliesIn(channel)).size, 0);
  const run: Fleet["run"] = (role, env = {}) =>
    runToEnd(["--agents", agents], {
      cwd: folder.path,
      env: {
        ROLE: role,
        DISCORD_TOKEN: "sim-reception-token-0000",
        DISCORD_API_URL: `${discord.url}/api`,
        ...shared,
        ...env,
      },
    });
  const begin: Fleet["begin"] = async (role, env = {}) => {
    const one = startDiscordBot(discord, { data: folder.path, env: shared }, { ROLE: role, ...env });
    processes.push(one);
    return one;
  };
  return {
    discord,
    gemini,
    processes,
    channel: general,
    run,
    migrate: async () => {
      const { code, stderr } = await run("migrate");
      expect([code, code === 0 ? "" : stderr.join("\n")]).toEqual([0, ""]);
    },
    begin,
    start: async (role, env = {}) => {
      const one = await begin(role, env);
      await ready(one);
      return one;
    },
    ask: (times) => {
      for (let i = 0; i < times; i += 1) {
        const place = asked.flat().length % channels.length;
        const [channel, list] = [channels[place] ?? general, asked[place] ?? []];
        const text = `<@${world.reception.id}> question ${asked.flat().length}`;
        list.push(world.say({ channel, author: ann, text }).id);
      }
    },
    answered: (least) => vi.waitFor(() => expect(count()).toBeGreaterThanOrEqual(least), patience),
    answeredOnce: async () => {
      await vi.waitFor(() => expect(count()).toBe(asked.flat().length), patience);
      expect(channels.map(repliesIn)).toEqual(asked);
    },
    rememberedInRedis: () => compareLayers(servers, channels),
    withoutFault: (known) => {
      const lines = processes.flatMap(({ log }) => log);
      const wrong = lines.filter(
        ({ level, msg }) =>
          /nobody caught/.test(String(msg)) || (Number(level) >= 50 && !(known?.test(String(msg)) ?? false)),
      );
      expect(wrong).toEqual([]);
      expect(processes.map((one) => one.errors()).join("")).not.toMatch(/UnhandledPromiseRejection|Warning:/);
      expect(gemini.violations).toEqual([]);
      expect(discord.report()).toMatchObject({ doubledPosts: [], refusedIdentifies: [], tokenResets: [] });
    },
    close: async () => {
      for (const one of processes) one.kill("SIGKILL");
      await Promise.all(processes.map((one) => one.exited));
      await Promise.all([discord.close(), gemini.stop()]);
      await folder.remove();
    },
  };
}

/** Resolves when a process answers nobody. */
export async function idle(one: Watched): Promise<void> {
  await vi.waitFor(async () => {
    const health = (await (await one.get("/health")).json()) as { components: { consumer: { details: object } } };
    expect(health.components.consumer.details).toMatchObject({ answering: 0 });
  }, patience);
}

/** Resolves when so many seconds have passed since that moment. */
export async function havePassed(seconds: number, since: number): Promise<void> {
  const isOver = () => expect(Date.now() - since).toBeGreaterThan(seconds * 1_000);
  await vi.waitFor(isOver, { ...patience, timeout: 2 * seconds * 1_000 });
}

/** How a part of a process says that it is. */
export async function healthOf(one: Watched, part: string): Promise<string | undefined> {
  return (await partOf(one, part))?.status;
}

/** How many requests of the model a process may make when it loses Redis now. */
export async function keptBy(one: Watched): Promise<unknown> {
  return (await partOf(one, "limits"))?.details["requestsKept"];
}

/** Resolves when both layers hold the same lines of each channel as of now; times of answers may differ by the way to Postgres. */
async function compareLayers(
  servers: { postgres: string; redis: string | null },
  channels: readonly { readonly id: string }[],
): Promise<void> {
  const database = await openPostgres({
    url: servers.postgres,
    poolMin: 0,
    poolMax: 2,
    onIdleError: () => {},
  });
  const redis = makeRedis({
    guard: unguarded,
    url: servers.redis ?? "",
    metrics: makeMetrics(),
    log: pino({ level: "silent" }),
  });
  await redis.start(AbortSignal.timeout(10_000), () => {});
  const hot = makeRedisRecentTurns(redis.cache, { lines: 20, maxAgeMs: 3_600_000, now: Date.now });
  try {
    for (const { id: conversationId } of channels) {
      const now = { conversationId, messageId: "9223372036854775807", receivedAt: new Date() };
      await vi.waitFor(async () => {
        const [revision, lines, known] = await Promise.all([
          readRevision(database, now, recent.recentLines),
          readRecentTurns(database, now, recent),
          hot.read(conversationId, AbortSignal.timeout(1_000)),
        ]);
        expect(lines.length).toBeGreaterThan(0);
        const plain = (all: typeof lines = []) => all.map(({ messageId, agent, text }) => [messageId, agent, text]);
        expect([known?.revision, plain(known?.lines)]).toEqual([revision, plain(lines)]);
      }, patience);
    }
  } finally {
    await redis.stop(AbortSignal.timeout(1_000));
    await database.close();
  }
}
