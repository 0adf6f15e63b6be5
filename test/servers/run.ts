import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect, promisify } from "node:util";
import { pino } from "pino";
import type { TestProject } from "vitest/node";
import { migrate } from "../../src/connections/migrate.ts";
import { openPostgres } from "../../src/connections/postgres.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { findOldPostgres } from "./old-postgres.ts";
import { findGpg } from "./gpg.ts";
import { findOtherRedis } from "./other-redis.ts";
import { Missing } from "./packages.ts";
import { findPgBouncer } from "./pgbouncer.ts";
import { createDatabase, dropDatabases, findPostgres, startPostgres } from "./postgres.ts";
import { findPromtool } from "./promtool.ts";
import { findRedis, redisDatabases, startRedis } from "./redis.ts";
import { byItself } from "../inbox/by-itself.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the workers ask for the servers of this run. */
    servers: string;
  }
}

/** What a worker is told about a server: why there is none, or where it is. */
export interface Answers {
  readonly "/postgres": { readonly url: string; readonly template: string };
  /** An older PostgreSQL than the run's own. */
  readonly "/postgres-16": { readonly url: string; readonly template: string };
  readonly "/redis": { readonly url: string; readonly databases: number };
  /** The folder of the programs, for a server of a test's own. */
  readonly "/own/postgres": string;
  readonly "/own/redis": string;
  readonly "/own/redis-5": string;
  readonly "/own/redis-6": string;
  readonly "/own/valkey-8": string;
  readonly "/own/old-postgres": string;
  readonly "/own/pgbouncer": string;
  readonly "/own/promtool": string;
  readonly "/own/gpg": string;
  /** The product's entry, compiled. */
  readonly "/program": string;
}

/**
 * The servers of a test run, one of each, started when the first test asks and stopped when the run ends, whatever became of its
 * workers. Those that the environment names are used as they are.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "discord-agent-run-"));
  // Postgres may run as another user than the tests.
  await chmod(folder, 0o755);
  process.env["TEST_SERVERS_FOLDER"] = folder;
  const closing: (() => Promise<void>)[] = [];
  const openers = {
    "/postgres": openSharedPostgres,
    "/postgres-16": openPostgres16,
    "/redis": openSharedRedis,
    "/own/postgres": () => findPostgres(),
    "/own/redis": findRedis,
    "/own/redis-5": () => findOtherRedis("redis-5"),
    "/own/redis-6": () => findOtherRedis("redis-6"),
    "/own/valkey-8": () => findOtherRedis("valkey-8"),
    "/own/old-postgres": findOldPostgres,
    "/own/pgbouncer": findPgBouncer,
    "/own/promtool": findPromtool,
    "/own/gpg": findGpg,
    "/program": () => compile(join(folder, "program")),
  };
  const opened = new Map<string, Promise<unknown>>();
  const http = createServer((request, response) => {
    const path = request.url as keyof Answers;
    const answer = opened.get(path) ?? openers[path](closing);
    opened.set(path, answer);
    answer.then(
      (found) => response.end(JSON.stringify(found)),
      (error: Error) => {
        response.statusCode = error instanceof Missing ? 404 : 500;
        response.end(error instanceof Missing && process.env["CI"] !== "true" ? error.message : inspect(error));
      },
    );
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  project.provide("servers", `http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  return async () => {
    http.close();
    http.closeAllConnections();
    await Promise.allSettled(opened.values());
    for (const close of closing) await close();
    await rm(folder, { recursive: true, force: true });
  };
}

/** The product as it is shipped, in a folder of this run: `dist` may be built anew meanwhile. */
async function compile(folder: string): Promise<string> {
  const root = join(import.meta.dirname, "..", "..");
  await mkdir(folder);
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await copyFile(join(root, "package.json"), join(folder, "package.json"));
  await promisify(execFile)(process.execPath, [join(root, "scripts", "bundle.ts"), join(folder, "dist")]);
  return join(folder, "dist", "main.js");
}

async function openSharedPostgres(closing: (() => Promise<void>)[]): Promise<Answers["/postgres"]> {
  const given = process.env["POSTGRESQL_URL"];
  const prefix = `discord_agent_test_${randomBytes(4).toString("hex")}`;
  const own = given === undefined ? await startPostgres() : null;
  const url = own?.url ?? given ?? "";
  closing.push(own === null ? () => dropDatabases(url, prefix) : () => own.close());
  return { url, template: await makeTemplate(url, prefix) };
}

async function openPostgres16(closing: (() => Promise<void>)[]): Promise<Answers["/postgres-16"]> {
  const server = await startPostgres({ binaries: await findPostgres(16) });
  closing.push(() => server.close());
  return { url: server.url, template: await makeTemplate(server.url, "test") };
}

/** A database with the whole schema, of which each test gets a copy. */
async function makeTemplate(url: string, prefix: string): Promise<string> {
  const template = `${prefix}_template`;
  const made = await createDatabase(url, template);
  const database = await openPostgres({ url: made.url, poolMin: 0, poolMax: 2, onIdleError: () => {} });
  await migrate(database);
  // The queue's own schema too, which it would otherwise make for every test.
  const inbox = makeInbox({ ...byItself, database, alone: false, log: pino({ level: "silent" }) });
  await inbox.start(AbortSignal.timeout(60_000), () => {});
  await inbox.stop(AbortSignal.timeout(5_000));
  await database.close();
  return template;
}

async function openSharedRedis(closing: (() => Promise<void>)[]): Promise<Answers["/redis"]> {
  const given = process.env["REDIS_URL"];
  if (given !== undefined) return { url: given, databases: 16 };
  const own = await startRedis();
  closing.push(() => own.close());
  return { url: own.url, databases: redisDatabases };
}
