import { openPostgres, type Database } from "../src/connections/postgres.ts";
import { startWatched, type Watched } from "../test/failure/process.ts";
import { createDatabase, startPostgres, type TestDatabase } from "../test/servers/postgres.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../test/simulators/discord/simulator.ts";
import { startGeminiSimulator } from "../test/simulators/gemini/simulator.ts";
import { temporaryFolder } from "../test/connections/fresh-database.ts";
import { pause } from "../test/soak/crew.ts";
import { machine, median, percentile, ratio, residentMb, spread } from "./machine.ts";

const leaseSeconds = 2;
const goals = {
  storedP99Ms: 25,
  overheadP50Ms: 25,
  gatewayRssMb: 110,
  handoverTermMs: 1_000,
  handoverKillMs: 1_000 * (leaseSeconds + 1),
};

/**
 * What Discord's side of the bot costs, on a Postgres server that waits for its disk: from an event's dispatch to its commit at 500 events a second;
 * from a message to its answer's POST with a model that takes no time; the memory of a gateway of 1,000 guilds with 50 channels each; and how long nobody
 * hears when the process that did is stopped or killed.
 */
export async function benchDiscord(rounds: number): Promise<object> {
  const server = await startPostgres({
    settings: { fsync: "on", full_page_writes: "on", track_commit_timestamp: "on", shared_buffers: "256MB" },
  });
  try {
    const stored = await inFreshDatabase(server.url, benchStored);
    const overhead = await inFreshDatabase(server.url, benchOverhead);
    const memory = {
      oneGuild: await inFreshDatabase(server.url, (database) => benchMemory(database, 1, 1)),
      thousandGuilds: await inFreshDatabase(server.url, (database) => benchMemory(database, 1_000, 50)),
    };
    const term = await inFreshDatabase(server.url, (database) => benchHandover(database, "SIGTERM", rounds));
    const kill = await inFreshDatabase(server.url, (database) => benchHandover(database, "SIGKILL", rounds));
    const figures = { storedMs: stored, overheadMs: overhead, gatewayRssMb: memory, handoverMs: { term, kill } };
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

async function inFreshDatabase<T>(url: string, work: (database: TestDatabase) => Promise<T>): Promise<T> {
  const database = await createDatabase(url, `bench_${Date.now()}`);
  try {
    await runRole("migrate", database, {});
    return await work(database);
  } finally {
    await database.drop();
  }
}

type Role = "gateway" | "worker" | "all-in-one" | "migrate";

/** Starts a process of this role; one that migrates has ended when this resolves. */
async function runRole(role: Role, database: TestDatabase, env: Readonly<Record<string, string>>): Promise<Watched> {
  const folder = await temporaryFolder();
  const one = await startWatched(
    folder.path,
    {
      ROLE: role,
      POSTGRESQL_URL: database.url,
      DISCORD_TOKEN: "sim-reception-token-0000",
      DISCORD_LEASE_SECONDS: String(leaseSeconds),
      GEMINI_REQUESTS_PER_MINUTE: "1000000",
      LOG_LEVEL: "info",
      ...env,
    },
    [],
  );
  void one.exited.then(folder.remove);
  if (role === "migrate") await one.exited;
  return one;
}

async function untilReady(one: Watched): Promise<void> {
  let ended = false;
  void one.exited.then(() => (ended = true));
  const isReady = () =>
    one.get("/health/ready").then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await isReady())) {
    if (ended) throw new Error(`the product did not start: ${one.errors()}`);
    await pause(25);
  }
}

async function stop(...processes: readonly Watched[]): Promise<void> {
  for (const one of processes) one.kill("SIGTERM");
  await Promise.all(processes.map((one) => one.exited));
}

/** Guilds of one person, in which the bot may speak; resolves to their channels. */
function build({ world }: DiscordSimulator, guilds: number, channelsEach: number) {
  const ann = world.addUser("ann");
  const channels = Array.from({ length: guilds }, (_, g) => {
    const guild = world.addGuild({ name: `Guild ${g}`, ownerId: ann.id });
    world.addMember(guild, world.reception);
    return Array.from({ length: channelsEach }, (_each, c) => world.addChannel(guild, { name: `channel-${c}` }));
  }).flat();
  return { ann, channels };
}

const apiOf = ({ url }: DiscordSimulator) => ({ DISCORD_API_URL: `${url}/api` });
const eventsPerSecond = 500;
const storedSeconds = 20;
const discordEpochMs = 1_420_070_400_000;

/** Postgres's own time of the commit against the time in the message's id: both of this machine. */
async function benchStored(database: TestDatabase) {
  const simulator = await startDiscordSimulator();
  const { ann, channels } = build(simulator, 10, 10);
  const gateway = await runRole("gateway", database, apiOf(simulator));
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

async function withDatabase<T>({ url }: TestDatabase, work: (sql: Database) => Promise<T>): Promise<T> {
  const sql = await openPostgres({ url, poolMin: 0, poolMax: 1, onIdleError: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.close();
  }
}

const asked = 300;
const warmUp = 50;
/** Discord takes 50 requests a second of one bot, and each answer is two: typing and the message. */
const askedPerSecond = 15;

/** From the message to its answer on Discord, in an open loop; the simulated model answers at once, and the time of ids is used. */
async function benchOverhead(database: TestDatabase) {
  const [simulator, gemini] = [await startDiscordSimulator(), await startGeminiSimulator()];
  const { ann, channels } = build(simulator, 2, 5);
  const { world } = simulator;
  const model = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: gemini.url };
  const bot = await runRole("all-in-one", database, { ...apiOf(simulator), ...model });
  await untilReady(bot);
  const messages: { readonly id: string; readonly channelId: string }[] = [];
  const began = performance.now();
  for (let n = 0; n < asked; n += 1) {
    await pause(Math.max(0, began + (1_000 * n) / askedPerSecond - performance.now()));
    const channel = channels[n % channels.length]!;
    messages.push(world.say({ channel, author: ann, text: `<@${world.reception.id}> question ${n}` }));
  }
  const answerTo = (message: (typeof messages)[number]) =>
    world.messages({ id: message.channelId }).find(({ replyTo }) => replyTo === message.id);
  while (messages.some((message) => answerTo(message) === undefined)) await pause(50);
  const samples = messages.map((message) => timeOf(answerTo(message)!.id) - timeOf(message.id));
  await stop(bot);
  await Promise.all([simulator.close(), gemini.stop()]);
  return spread(samples.slice(warmUp));
}

function timeOf(snowflake: string): number {
  return Number(BigInt(snowflake) >> 22n) + discordEpochMs;
}

/** Resident memory once all guilds are stored and nothing has happened for a while. */
async function benchMemory(database: TestDatabase, guilds: number, channelsEach: number): Promise<number> {
  const simulator = await startDiscordSimulator();
  build(simulator, guilds, channelsEach);
  const gateway = await runRole("gateway", database, apiOf(simulator));
  await untilReady(gateway);
  await withDatabase(database, async (sql) => {
    const count = async () => (await sql.query<{ n: number }>("select count(*)::int as n from guilds"))[0]?.n ?? 0;
    while ((await count()) < guilds) await pause(100);
  });
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20; look += 1) {
    await pause(500);
    least = Math.min(least, residentMb(gateway.pid));
  }
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
