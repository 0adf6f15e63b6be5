import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeDatabaseComponent } from "../../src/connections/database.ts";
import { asError, Misconfigured } from "../../src/errors.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { runToEnd } from "../failure/process.ts";
import { describeUnless } from "../servers/databases.ts";
import { findOldPostgres } from "../servers/old-postgres.ts";
import { administer, startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { freePort } from "../servers/server-process.ts";
import { whyNoOldPostgres, whyNoOwnPostgres } from "../servers/shared.ts";
import { unguarded } from "../resilience/unguarded.ts";
import { temporaryFolder } from "./fresh-database.ts";

const root = join(import.meta.dirname, "..", "..");
const secret = "canary-of-a-password";

/** Opens the database as the product does at its start; resolves to why it did not, and to all that could be seen of it. */
async function refusal(url: string): Promise<{ error: Error; seen: string }> {
  const folder = await temporaryFolder();
  let written = "";
  const log = pino({ level: "trace" }, { write: (line) => (written += line) });
  const pool = { url, poolMin: 1, poolMax: 2, folder: folder.path, migrates: true, waits: false, guard: unguarded };
  const component = makeDatabaseComponent({ ...pool, metrics: makeMetrics(), log });
  const error = await component
    .start(AbortSignal.timeout(20_000), () => {})
    .then(
      () => new Error("it started"),
      (thrown: unknown) => asError(thrown),
    );
  await component.stop(AbortSignal.timeout(1_000));
  await folder.remove();
  return { error, seen: `${inspect(error, { depth: 9, showHidden: true })} ${written}` };
}

/** The same server, with some parts of the URL changed. */
function change(
  url: string,
  over: Partial<Pick<URL, "username" | "password" | "port" | "pathname" | "search">>,
): string {
  return Object.assign(new URL(url), over).href;
}

describeUnless(
  await whyNoOwnPostgres(),
  "a start on a Postgres that cannot carry it ends with one sentence and its remedy",
  () => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres();
      await administer(server.url, `create role plain login password '${secret}'`);
    });
    const closing: (() => Promise<void>)[] = [];
    afterAll(async () => {
      await Promise.all(closing.map((close) => close()));
      await server.close();
    });
    const asPlain = (url: string) => change(url, { username: "plain", password: secret });
    const empty = async () => (await server.createDatabase()).url;

    const misconfigured: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
      [
        "a wrong password",
        async () => change(server.url, { password: secret }),
        /refuses this user with this password/,
      ],
      ["no password", async () => change(server.url, { password: "" }), /refuses this user with this password/],
      [
        "a user that there is not",
        async () => change(server.url, { username: "nobody", password: secret }),
        /refuses this user/,
      ],
      [
        "an unknown database",
        async () => change(asPlain(server.url), { pathname: "/elsewhere" }),
        /no database of this name/,
      ],
      ["a URL that is none", async () => `${asPlain(server.url)}/%E9`, /is not a URL/],
      [
        "TLS that the server has not",
        async () => change(asPlain(server.url), { search: "?sslmode=require" }),
        /asks for TLS/,
      ],
      [
        "a server without pgvector",
        async () => {
          const url = await empty();
          // Where the server looks for what can be installed; nothing is there.
          await administer(
            url,
            `alter database "${new URL(url).pathname.slice(1)}" set extension_control_path = '/nowhere'`,
          );
          return url;
        },
        /the server has no pgvector. Install pgvector/,
      ],
      [
        "a server with a pgvector that is too old",
        async () => {
          const url = await empty();
          const folder = await temporaryFolder();
          closing.push(folder.remove);
          await chmod(folder.path, 0o755);
          await mkdir(join(folder.path, "extension"));
          await writeFile(join(folder.path, "extension", "vector.control"), "default_version = '0.6.2'");
          const name = new URL(url).pathname.slice(1);
          await administer(url, `alter database "${name}" set extension_control_path = '${folder.path}'`);
          return url;
        },
        /its pgvector is 0\.6\.2\. Install pgvector 0\.7\.0 or newer/,
      ],
      [
        "a user who may not create the extension",
        async () => {
          const url = await empty();
          await administer(url, "grant all on schema public to plain");
          return asPlain(url);
        },
        /may not create the extension pgvector.* run once in this database: create extension vector/,
      ],
      [
        "a user who may not create tables",
        async () => {
          const url = await empty();
          await administer(url, "create extension vector");
          return asPlain(url);
        },
        /may not create tables.* grant create/,
      ],
      [
        "pgvector out of reach",
        async () => {
          const url = await empty();
          await administer(url, "create schema aside");
          await administer(url, "create extension vector schema aside");
          return url;
        },
        /pgvector is in a schema that is not searched/,
      ],
      [
        "a database in another encoding",
        async () => {
          await administer(
            server.url,
            `create database narrow template template0 encoding 'LATIN1' locale_provider libc locale 'C'`,
          );
          return change(server.url, { pathname: "/narrow" });
        },
        /encoded in LATIN1/,
      ],
    ];
    it.concurrent.each(misconfigured)("%s", async (_, prepare, sentence) => {
      const { error, seen } = await refusal(await prepare());
      expect(error).toBeInstanceOf(Misconfigured);
      expect(error.message).toMatch(sentence);
      expect(error.message, "one sentence, and a remedy").toMatch(/^POSTGRESQL_URL: [^\n]+\. [^\n]+$/);
      expectNoSecret(seen);
    });

    const passing: readonly (readonly [string, () => Promise<string>, string, RegExp])[] = [
      [
        "a server that is not there",
        async () => change(server.url, { port: String(await freePort()) }),
        "database_unreachable",
        /does not answer \(ECONNREFUSED\)/,
      ],
      [
        "a host that there is not",
        async () => server.url.replace("127.0.0.1", "canary-host.invalid"),
        "database_unreachable",
        /does not answer \(E\w+\)/,
      ],
      [
        "a database that only reads",
        async () => {
          const url = await empty();
          await administer(
            url,
            `alter database "${new URL(url).pathname.slice(1)}" set default_transaction_read_only = on`,
          );
          return url;
        },
        "database_read_only",
        /only reads: name the primary/,
      ],
      [
        "a server without a connection to spare",
        async () => {
          const url = await empty();
          const name = new URL(url).pathname.slice(1);
          await administer(server.url, `alter database "${name}" connection limit 0`);
          return asPlain(url);
        },
        "database_full",
        /no connection left: raise its max_connections/,
      ],
      [
        "a server that accepts and never answers",
        async () => {
          const stuck = await startPostgres();
          closing.push(() => stuck.close());
          await stuck.freeze();
          return stuck.url;
        },
        "database_unreachable",
        /does not answer \(no connection in time\)/,
      ],
      [
        "a schema that a newer build made",
        async () => {
          const url = await empty();
          await administer(
            url,
            "create table schema_migrations as select 9999 as version, 'later'::text as name, 9999 as works_from",
          );
          return url;
        },
        "schema_newer",
        /schema version 9999, this build knows \d+: start the newer build/,
      ],
    ];
    it.concurrent.each(passing)("%s", async (_, prepare, code, sentence) => {
      const { error, seen } = await refusal(await prepare());
      expect(error).toMatchObject({ name: "ForeseenError", code, message: expect.stringMatching(sentence) });
      expectNoSecret(seen);
    });

    it("and the process leaves with a code that says so", async () => {
      const folder = await temporaryFolder();
      const start = (url: string) =>
        runToEnd(["--data", folder.path], { cwd: root, env: { POSTGRESQL_URL: url, LOG_LEVEL: "fatal" } });
      const refused = await start(change(server.url, { password: secret }));
      expect(refused).toMatchObject({
        code: 78,
        stderr: [expect.stringMatching(/^POSTGRESQL_URL: the server refuses/)],
      });
      const unreachable = await start(change(server.url, { port: String(await freePort()) }));
      expect(unreachable).toMatchObject({
        code: 1,
        stderr: [expect.stringContaining("does not answer (ECONNREFUSED)")],
      });
      expectNoSecret(JSON.stringify([refused, unreachable]));
      await folder.remove();
    });

    function expectNoSecret(seen: string): void {
      for (const part of [secret, new URL(server.url).password, `:${server.port}`, "canary-host", "127.0.0.1"])
        expect(seen).not.toContain(part);
    }
  },
);

describeUnless(await whyNoOldPostgres(), "a start on PostgreSQL 14", () => {
  it("ends with one sentence that says which version it needs", async () => {
    const old = await startPostgres({ binaries: await findOldPostgres() });
    const { error } = await refusal(old.url);
    await old.close();
    expect(error.message).toBe("POSTGRESQL_URL: the server is PostgreSQL 14. Upgrade it to PostgreSQL 15 or newer");
  });
});
