import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { inject } from "vitest";
import type { OtherRedis } from "./other-redis.ts";
import { Missing } from "./packages.ts";
import { createDatabase, type TestDatabase } from "./postgres.ts";
import type { Answers } from "./run.ts";

/** Asks the test run for one of its servers. */
async function askFor<Path extends keyof Answers>(path: Path): Promise<Answers[Path]> {
  const response = await fetch(`${inject("servers")}${path}`);
  if (!response.ok)
    throw response.status === 404 ? new Missing(await response.text()) : new Error(await response.text());
  return (await response.json()) as Answers[Path];
}

/**
 * Null when tests can have what they ask for, otherwise the sentence that says how to get it. With CI=true it throws instead: where
 * the tests decide, one that was left out must not look like one that passed.
 */
async function whyNot(path: keyof Answers): Promise<string | null> {
  try {
    await askFor(path);
    return null;
  } catch (error) {
    if (error instanceof Missing && process.env["CI"] !== "true") return error.message;
    throw error;
  }
}

/** Why tests cannot use the run's Postgres server, which may be the one of POSTGRESQL_URL. */
export const whyNoPostgres = () => whyNot("/postgres");
/** Why tests cannot use the run's PostgreSQL 16. */
export const whyNoPostgres16 = () => whyNot("/postgres-16");
/** Why tests cannot use the run's Redis server, which may be the one of REDIS_URL. */
export const whyNoRedis = () => whyNot("/redis");
/** Why a test cannot start a Postgres server of its own. */
export const whyNoOwnPostgres = () => whyNot("/own/postgres");
/** Why a test cannot start a Redis server of its own. */
export const whyNoOwnRedis = () => whyNot("/own/redis");
/** Why a test cannot start another server that speaks Redis's protocol. */
export const whyNoOtherRedis = (name: OtherRedis) => whyNot(`/own/${name}`);
/** Why a test cannot start a PostgreSQL 14. */
export const whyNoOldPostgres = () => whyNot("/own/old-postgres");

/** Why a test cannot start a PgBouncer. */
export const whyNoPgBouncer = () => whyNot("/own/pgbouncer");

/** Why a test cannot run promtool. */
export const whyNoPromtool = () => whyNot("/own/promtool");

/** Why a test cannot run gpg. */
export const whyNoGpg = () => whyNot("/own/gpg");

/** The entry of the product as it is shipped. */
export const compiledProgram = () => askFor("/program");

/** A database on the run's Postgres server, or on its PostgreSQL 16: `migrated`, a copy of one with the whole schema, or `empty`. */
export async function createServerDatabase(
  content: "migrated" | "empty",
  server: "/postgres" | "/postgres-16" = "/postgres",
): Promise<TestDatabase> {
  const { url, template } = await askFor(server);
  const name = template.replace("template", randomBytes(6).toString("hex"));
  return createDatabase(url, name, content === "migrated" ? template : undefined);
}

const taken = new Set<number>();

/** An empty database of the run's Redis server, of this test alone; `drop` empties it and gives it back. */
export async function openServerRedis(): Promise<TestDatabase> {
  const found = await askFor("/redis");
  // As many databases for each worker as there can be workers: nobody has to ask who has which.
  const each = Math.floor(Math.sqrt(found.databases));
  const first = ((Number(process.env["VITEST_POOL_ID"] ?? 1) - 1) % each) * each;
  const number = Array.from({ length: each }, (_, i) => first + i).find((one) => !taken.has(one));
  if (number === undefined) throw new Error(`A test file has ${each} Redis databases and took one more: drop them`);
  taken.add(number);
  const url = new URL(found.url);
  url.pathname = `/${number}`;
  await flush(url);
  return {
    url: url.href,
    drop: async () => {
      await flush(url);
      taken.delete(number);
    },
  };
}

async function flush(url: URL): Promise<void> {
  const answer = await askRedis(url.href, "FLUSHDB");
  if (!answer.endsWith("+OK\r\n+OK\r\n")) throw new Error(`Redis could not be emptied: ${answer}`);
}

/** Redis's answer to one command, in its own protocol: the tests of a client should not need that client. */
export async function askRedis(where: string, ...words: readonly string[]): Promise<string> {
  const url = new URL(where);
  const user = url.username === "" ? [] : [decodeURIComponent(url.username)];
  const login = url.password === "" ? [] : [["AUTH", ...user, decodeURIComponent(url.password)]];
  const socket = connect(Number(url.port || 6379), url.hostname);
  for (const command of [...login, ["SELECT", url.pathname.slice(1) || "0"], words, ["QUIT"]])
    socket.write(
      `*${command.length}\r\n${command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`,
    );
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}
