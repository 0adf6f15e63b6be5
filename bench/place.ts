import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { smallProcess } from "../cdk8s/constructs/small-process.ts";
import { temporaryFolder } from "../test/connections/fresh-database.ts";
import { startWatched, type Watched } from "../test/failure/process.ts";
import { openPostgres, type Database } from "../src/connections/postgres.ts";
import { createDatabase, startPostgres, type PostgresServer, type TestDatabase } from "../test/servers/postgres.ts";
import { pause } from "../test/soak/crew.ts";
import type { Started } from "./turns.ts";
import type { DiscordSimulator } from "../test/simulators/discord/simulator.ts";

/** What the benches start of the product. */
type Role = "gateway" | "worker" | "all-in-one" | "migrate";

export const leaseSeconds = 2;

/** A Postgres that waits for its disk, as one that people rely on does, and tells when each row was committed. */
export function startHonestPostgres(): Promise<PostgresServer> {
  return startPostgres({
    settings: { fsync: "on", full_page_writes: "on", track_commit_timestamp: "on", shared_buffers: "256MB" },
  });
}

/** Does the work on a new database with the product's schema. */
export async function inFreshDatabase<T>(url: string, work: (database: TestDatabase) => Promise<T>): Promise<T> {
  const database = await createDatabase(url, `bench_${Date.now()}`);
  try {
    await runRole("migrate", database, {});
    return await work(database);
  } finally {
    await database.drop();
  }
}

/** Starts a process of this role; one that migrates has ended when this resolves. */
export async function runRole(
  role: Role,
  database: TestDatabase,
  env: Readonly<Record<string, string>>,
  program?: Program,
): Promise<Watched> {
  const folder = await temporaryFolder();
  const one = startWatched(
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
    program,
  );
  void one.exited.then(folder.remove);
  if (role === "migrate") await one.exited;
  return one;
}

/** What Node is told to run. */
export type Program = readonly string[];

/** Compiles the product, as it runs in production. */
export async function compile(): Promise<Program> {
  const building = spawn("npm", ["run", "--silent", "build"], {
    cwd: join(import.meta.dirname, ".."),
    stdio: "inherit",
  });
  const [code] = (await once(building, "exit")) as [number | null];
  if (code !== 0) throw new Error(`the product could not be compiled: npm run build ended with ${code}`);
  return ["dist/main.js"];
}

/** Starts a gateway as the manifests do. */
export function runGateway(
  database: TestDatabase,
  env: Readonly<Record<string, string>>,
  program: Program,
): Promise<Watched> {
  return runRole("gateway", database, { ...smallProcess.env, ...env }, [...smallProcess.nodeArgs, ...program]);
}

/** Rejects with what it wrote when it ends before. */
export async function untilReady(one: Watched): Promise<void> {
  let ended = false;
  void one.exited.then(() => (ended = true));
  const isReady = () =>
    one.get("/health/ready").then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await isReady())) {
    if (ended) throw new Error(`the product did not start: ${one.errors()}`);
    await pause(5);
  }
}

/** Starts one process that hears and answers, and resolves when it is ready. */
export async function startAllInOne(
  database: TestDatabase,
  program: Program,
  env: Readonly<Record<string, string>>,
): Promise<Started> {
  const bot = await runRole("all-in-one", database, env, program);
  await untilReady(bot);
  return { pid: bot.pid, stop: () => stop(bot) };
}

export async function stop(...processes: readonly Watched[]): Promise<void> {
  for (const one of processes) one.kill("SIGTERM");
  await Promise.all(processes.map((one) => one.exited));
}

export async function withDatabase<T>({ url }: TestDatabase, work: (sql: Database) => Promise<T>): Promise<T> {
  const sql = await openPostgres({ url, poolMin: 0, poolMax: 1, onIdleError: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.close();
  }
}

/** Resolves when what the gateway was told of so many guilds is in the database. */
export async function guildsAreStored(database: TestDatabase, guilds: number): Promise<void> {
  await withDatabase(database, async (sql) => {
    const count = async () => (await sql.query<{ n: number }>("select count(*)::int as n from guilds"))[0]?.n ?? 0;
    while ((await count()) < guilds) await pause(100);
  });
}

/** Guilds of one person, in which the bot may speak; resolves to their channels. */
export function build({ world }: DiscordSimulator, guilds: number, channelsEach: number) {
  const ann = world.addUser("ann");
  const channels = Array.from({ length: guilds }, (_, g) => {
    const guild = world.addGuild({ name: `Guild ${g}`, ownerId: ann.id });
    world.addMember(guild, world.reception);
    return Array.from({ length: channelsEach }, (_each, c) => world.addChannel(guild, { name: `channel-${c}` }));
  }).flat();
  return { ann, channels };
}

export const apiOf = ({ url }: DiscordSimulator) => ({ DISCORD_API_URL: `${url}/api` });

export const discordEpochMs = 1_420_070_400_000;

/** Epoch milliseconds of a snowflake. */
export function timeOf(snowflake: string): number {
  return Number(BigInt(snowflake) >> 22n) + discordEpochMs;
}
