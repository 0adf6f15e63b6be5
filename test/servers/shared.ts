import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { inject } from "vitest";
import { createDatabase, type TestDatabase } from "./postgres.ts";
import type { Answers } from "./run.ts";

/** Asks the test run for one of its servers; the sentence that says why there is none, and what to do about it. */
async function askFor<Path extends keyof Answers>(path: Path): Promise<Answers[Path] | string> {
  const response = await fetch(`${inject("servers")}${path}`);
  if (response.ok) return (await response.json()) as Answers[Path];
  const sentence = await response.text();
  // Where the tests decide, a test that was left out must not look like one that passed.
  if (response.status !== 404 || process.env["CI"] === "true") throw new Error(sentence);
  return sentence;
}

/** Null when tests can have a Postgres server, otherwise the sentence that says how to get one. With CI=true that is an error. */
export async function whyNoPostgres(): Promise<string | null> {
  const found = await askFor("/postgres");
  return typeof found === "string" ? found : null;
}

/** Null when tests can have a Redis server, otherwise the sentence that says how to get one. With CI=true that is an error. */
export async function whyNoRedis(): Promise<string | null> {
  const found = await askFor("/redis");
  return typeof found === "string" ? found : null;
}

/** A database on the run's Postgres server: `migrated`, a copy of one with the whole schema, or `empty`. */
export async function createServerDatabase(content: "migrated" | "empty"): Promise<TestDatabase> {
  const found = await askFor("/postgres");
  if (typeof found === "string") throw new Error(found);
  const { url, template } = found;
  const name = template.replace("template", randomBytes(6).toString("hex"));
  return createDatabase(url, name, content === "migrated" ? template : undefined);
}

const taken = new Set<number>();

/** An empty database of the run's Redis server, of this test alone; `drop` empties it and gives it back. */
export async function openServerRedis(): Promise<TestDatabase> {
  const found = await askFor("/redis");
  if (typeof found === "string") throw new Error(found);
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
