import type { TestDatabase } from "../test/servers/postgres.ts";
import { startDiscordSimulator } from "../test/simulators/discord/simulator.ts";
import { pause } from "../test/soak/crew.ts";
import { leastResidentMb, machine, median, percentile, ratio, spread } from "./machine.ts";
import {
  apiOf,
  build,
  compile,
  guildsAreStored,
  discordEpochMs,
  inFreshDatabase,
  leaseSeconds,
  type Program,
  runGateway,
  runRole,
  startAllInOne,
  startHonestPostgres,
  stop,
  untilReady,
  withDatabase,
} from "./place.ts";
import { startPlainBot } from "./peers/plain-bot.ts";
import { measureTurns } from "./turns.ts";

const goals = {
  storedP99Ms: 25,
  overheadP50Ms: 25,
  gatewayRssMb: 110,
  handoverTermMs: 1_000,
  handoverKillMs: 1_000 * (leaseSeconds + 1),
};

/**
 * What Discord's side of the bot costs, on a Postgres server that waits for its disk: from an event's dispatch to its commit at 500 events a second;
 * from a message to its answer's POST with a model that takes no time, beside a plain discord.js bot that keeps nothing; the memory of a gateway of 1,000 guilds with 50 channels each; and how long nobody
 * hears when the process that did is stopped or killed.
 */
export async function benchDiscord(rounds: number): Promise<object> {
  const server = await startHonestPostgres();
  try {
    const program = await compile();
    const stored = await inFreshDatabase(server.url, (database) => benchStored(database, program));
    const [ours, plain] = [[], []] as Spread[][];
    for (let round = 0; round < rounds; round += 1) {
      ours?.push(await inFreshDatabase(server.url, (database) => benchOverhead(database, program)));
      plain?.push((await measureTurns(startPlainBot, load)).overheadMs);
    }
    const [overhead, plainOverhead] = [summed(ours), summed(plain)];
    const memory = {
      oneGuild: await inFreshDatabase(server.url, (database) => benchMemory(database, program, 1, 1)),
      thousandGuilds: await inFreshDatabase(server.url, (database) => benchMemory(database, program, 1_000, 50)),
      plainBotOfThousandGuilds: await benchPlainMemory(1_000, 50),
    };
    const term = await inFreshDatabase(server.url, (database) => benchHandover(database, "SIGTERM", rounds));
    const kill = await inFreshDatabase(server.url, (database) => benchHandover(database, "SIGKILL", rounds));
    const figures = {
      storedMs: stored,
      overheadMs: overhead,
      plainBotOverheadMs: plainOverhead,
      timesThePlainBot: ratio(overhead.p50, plainOverhead.p50),
      gatewayRssMb: memory,
      handoverMs: { term, kill },
    };
    return {
      bench: "discord",
      rounds,
      figures,
      goals,
      ratioToGoal: {
        storedP99Ms: ratio(stored.p99, goals.storedP99Ms),
        overheadP50Ms: ratio(overhead.p50, goals.overheadP50Ms),
        gatewayRssMb: ratio(memory.thousandGuilds, goals.gatewayRssMb),
        handoverTermMs: ratio(term.max, goals.handoverTermMs),
        handoverKillMs: ratio(kill.max, goals.handoverKillMs),
      },
      machine: machine(),
    };
  } finally {
    await server.close();
  }
}

const eventsPerSecond = 500;
const storedSeconds = 20;
/** Postgres's own time of the commit against the time in the message's id: both of this machine. */
async function benchStored(database: TestDatabase, program: Program) {
  const simulator = await startDiscordSimulator();
  const { ann, channels } = build(simulator, 10, 10);
  const gateway = await runGateway(database, apiOf(simulator), program);
  await untilReady(gateway);
  const total = eventsPerSecond * storedSeconds;
  const began = performance.now();
  for (let said = 0; said < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1_000) * eventsPerSecond));
    for (; said < due; said += 1)
      simulator.world.say({ channel: channels[said % channels.length]!, author: ann, text: `people talk ${said}` });
    await pause(2);
  }
  const sentSeconds = (performance.now() - began) / 1_000;
  const samples = await withDatabase(database, async (sql) => {
    const count = async () => (await sql.query<{ n: number }>("select count(*)::int as n from turns"))[0]?.n ?? 0;
    while ((await count()) < total) await pause(50);
    const rows = await sql.query<{ ms: number }>(
      `select extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 - ((message_id >> 22) + ${discordEpochMs}) as ms from turns
       order by message_id`,
    );
    return rows.map(({ ms }) => ms);
  });
  await stop(gateway);
  await simulator.close();
  return { eventsPerSecond: Math.round(total / sentSeconds), ...spread(samples) };
}

type Spread = ReturnType<typeof spread>;

/** An open loop. */
const load = { asked: 300, perSecond: 15 };

/** From the message to its answer on Discord, with a model that answers at once, by the time of ids. */
async function benchOverhead(database: TestDatabase, program: Program): Promise<Spread> {
  return (await measureTurns((env) => startAllInOne(database, program, env), load)).overheadMs;
}

function summed(each: readonly Spread[] = []) {
  return { p50: median(each.map(({ p50 }) => p50)), p99: median(each.map(({ p99 }) => p99)), each };
}

/** What discord.js's own Client holds of as many guilds. */
async function benchPlainMemory(guilds: number, channelsEach: number): Promise<number> {
  const simulator = await startDiscordSimulator();
  build(simulator, guilds, channelsEach);
  const bot = await startPlainBot({ ...apiOf(simulator), GEMINI_BASE_URL: "http://127.0.0.1:1" });
  const least = await leastResidentMb(bot.pid);
  await bot.stop();
  await simulator.close();
  return least;
}

/** Resident memory once all guilds are stored and nothing has happened for a while. */
async function benchMemory(
  database: TestDatabase,
  program: Program,
  guilds: number,
  channelsEach: number,
): Promise<number> {
  const simulator = await startDiscordSimulator();
  build(simulator, guilds, channelsEach);
  const gateway = await runGateway(database, apiOf(simulator), program);
  await untilReady(gateway);
  await guildsAreStored(database, guilds);
  const least = await leastResidentMb(gateway.pid);
  await stop(gateway);
  await simulator.close();
  return least;
}

/** From the signal to the moment when the other process has resumed the session. */
async function benchHandover(database: TestDatabase, signal: "SIGTERM" | "SIGKILL", rounds: number) {
  const simulator = await startDiscordSimulator();
  build(simulator, 1, 1);
  const start = async () => {
    const one = await runRole("gateway", database, apiOf(simulator));
    await untilReady(one);
    return one;
  };
  let holder = await start();
  const samples: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const next = await start();
    // The lease has to be some time old: a kill right after a heartbeat is the worst case, and all are wanted.
    await pause((1_000 * leaseSeconds * round) / rounds);
    const { resumeds } = simulator.report();
    const began = performance.now();
    holder.kill(signal);
    while (simulator.report().resumeds === resumeds) await pause(2);
    samples.push(performance.now() - began);
    await holder.exited;
    holder = next;
  }
  await stop(holder);
  const { identifies } = simulator.report();
  await simulator.close();
  return { p50: median(samples), max: percentile(samples, 1), rounds, identifies };
}
