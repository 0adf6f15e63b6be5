import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { makeRedis } from "../src/connections/redis.ts";
import { makeRedisRecentTurns } from "../src/memory/recent-turns-redis.ts";
import type { RecentLine } from "../src/memory/recent-turns.ts";
import { makeMetrics } from "../src/metrics.ts";
import type { Watched } from "../test/failure/process.ts";
import type { TestDatabase } from "../test/servers/postgres.ts";
import { startRedis } from "../test/servers/redis.ts";
import { startDiscordSimulator } from "../test/simulators/discord/simulator.ts";
import { leastResidentMb, machine, median, ratio, spread } from "./machine.ts";
import {
  apiOf,
  build,
  compile,
  guildsAreStored,
  inFreshDatabase,
  runGateway,
  runRole,
  startAllInOne,
  startHonestPostgres,
  stop,
  untilReady,
  type Program,
} from "./place.ts";
import { measureTurns } from "./turns.ts";
import { unguarded } from "../test/resilience/unguarded.ts";

/** P1 and P8: our own time per turn at 20 messages a second on Postgres and Redis, and what a message costs in calls of the model. */
export async function benchTurns(rounds: number): Promise<object> {
  const [server, redis] = await Promise.all([startHonestPostgres(), startRedis()]);
  try {
    const program = await compile();
    const measured = [];
    for (let round = 0; round < rounds; round += 1) {
      const env = { REDIS_URL: redis.url };
      measured.push(
        await inFreshDatabase(server.url, (database) =>
          measureTurns((more) => startAllInOne(database, program, { ...env, ...more }), { asked: 400, perSecond: 20 }),
        ),
      );
    }
    const figures = {
      overheadP50Ms: median(measured.map(({ overheadMs }) => overheadMs.p50)),
      overheadP99Ms: median(measured.map(({ overheadMs }) => overheadMs.p99)),
      generateCallsPerAnswer: median(measured.map((one) => one.generateCallsPerAnswer)),
      documentCallsPer100Stored: median(measured.map((one) => one.documentCallsPer100Stored)),
      queryCallsPerQuestion: median(measured.map((one) => one.queryCallsPerQuestion)),
      rssMb: median(measured.map((one) => one.rssMb)),
    };
    const goals = { overheadP50Ms: 25, overheadP99Ms: 60, generateCallsPerAnswer: 1, documentCallsPer100Stored: 2 };
    const ratioToGoal = {
      overheadP50Ms: ratio(figures.overheadP50Ms, goals.overheadP50Ms),
      overheadP99Ms: ratio(figures.overheadP99Ms, goals.overheadP99Ms),
      generateCallsPerAnswer: ratio(figures.generateCallsPerAnswer, goals.generateCallsPerAnswer),
      documentCallsPer100Stored: ratio(figures.documentCallsPer100Stored, goals.documentCallsPer100Stored),
    };
    return { bench: "p1", rounds, each: measured, figures, goals, ratioToGoal, machine: machine() };
  } finally {
    await Promise.all([server.close(), redis.close()]);
  }
}

const startGuilds = 1_000;
const hotLines = 20;
const hotSamples = 1_000;

/** P3: reading today's conversation and adding a turn to it, one round trip each, for conversations of 20 lines; medians of the rounds. */
export async function benchHotMemory(rounds: number): Promise<object> {
  const server = await startRedis();
  const redis = makeRedis({
    guard: unguarded,
    url: server.url,
    metrics: makeMetrics(),
    log: pino({ level: "silent" }),
  });
  await redis.start(AbortSignal.timeout(10_000), () => {});
  const turns = makeRedisRecentTurns(redis.cache, { lines: hotLines, maxAgeMs: 86_400_000, now: () => Date.now() });
  const { signal } = new AbortController();
  const line = (text: string): RecentLine => ({
    messageId: "1",
    author: "ann",
    authorId: "2",
    agent: null,
    text,
    at: new Date(),
  });
  const text = "what people say in a chat is about this long, or twice that. ".repeat(2);
  const conversations = Array.from({ length: 100 }, (_, i) => ({ id: String(i), revision: "0" }));
  for (const { id, revision } of conversations)
    await turns.replace(id, { revision, lines: Array.from({ length: hotLines }, () => line(text)) }, signal);
  const each: ReturnType<typeof spread>[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const samples: number[] = [];
    for (let i = 0; i < hotSamples; i += 1) {
      const one = conversations[i % conversations.length]!;
      const began = performance.now();
      await turns.read(one.id, signal);
      const after = randomUUID();
      await turns.append(one.id, { before: one.revision, after }, [line(text), line(text)], signal);
      samples.push(performance.now() - began);
      one.revision = after;
    }
    // The first one warms up.
    if (round >= 0) each.push(spread(samples));
  }
  await redis.stop(AbortSignal.timeout(1_000));
  await server.close();
  const readAndAppendMs = { p50: median(each.map(({ p50 }) => p50)), p99: median(each.map(({ p99 }) => p99)) };
  return {
    bench: "p3",
    rounds,
    each,
    figures: { readAndAppendMs },
    goals: { p99Ms: 5 },
    ratioToGoal: { p99Ms: ratio(readAndAppendMs.p99, 5) },
    machine: machine(),
  };
}

/**
 * P9: from the start of a process to readiness, and its memory when nothing happens, in turns; a gateway of 1,000 guilds, all of which it has been told and has stored. Medians of
 * the rounds, each on a new database and a new Discord.
 */
export async function benchStart(rounds: number): Promise<object> {
  const program = await compile();
  const server = await startHonestPostgres();
  try {
    const each: Record<"worker" | "gateway", { readyMs: number; rssMb: number }>[] = [];
    for (let round = 0; round < rounds; round += 1)
      each.push(await inFreshDatabase(server.url, (database) => startBoth(database, program)));
    const of = (role: "worker" | "gateway") => ({
      readyMs: median(each.map((one) => one[role].readyMs)),
      rssMb: median(each.map((one) => one[role].rssMb)),
    });
    const figures = { worker: of("worker"), gateway: of("gateway") };
    return {
      bench: "p9",
      rounds,
      compiled: true,
      each,
      figures,
      goals: { workerReadyMs: 1_200, gatewayRssMb: 90, workerRssMb: 140 },
      ratioToGoal: {
        workerReadyMs: ratio(figures.worker.readyMs, 1_200),
        gatewayRssMb: ratio(figures.gateway.rssMb, 90),
        workerRssMb: ratio(figures.worker.rssMb, 140),
      },
      machine: machine(),
    };
  } finally {
    await server.close();
  }
}

async function startBoth(database: TestDatabase, program: Program) {
  const simulator = await startDiscordSimulator();
  build(simulator, startGuilds, 10);
  const env = apiOf(simulator);
  const start = async (run: () => Promise<Watched>, settled: () => Promise<void>) => {
    const began = performance.now();
    const one = await run();
    await untilReady(one);
    const readyMs = performance.now() - began;
    await settled();
    const rssMb = await leastResidentMb(one.pid);
    await stop(one);
    return { readyMs, rssMb };
  };
  const worker = await start(
    () => runRole("worker", database, env, program),
    async () => {},
  );
  const gateway = await start(
    () => runGateway(database, env, program),
    () => guildsAreStored(database, startGuilds),
  );
  await simulator.close();
  return { worker, gateway };
}
