import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { openServerDatabase } from "../connections/fresh-database.ts";
import { shapeOf } from "../connections/schema-shape.ts";
import { describeUnless, openServerHome, type Home } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import { startWatched, type Watched } from "./process.ts";

const folder = join(import.meta.dirname, "..", "..", "src", "memory", "migrations");
const patience = { timeout: 60_000, interval: 20 };

describeUnless(await whyNoPostgres(), "a process that migrates, killed with SIGKILL at a statement that", () => {
  let home: Home;
  let database: Database;
  const started: Watched[] = [];
  const startMigrating = () => {
    const one = startWatched(home.data, { ...home.env, ROLE: "migrate" }, []);
    started.push(one);
    return one;
  };
  beforeEach(async () => {
    home = await openServerHome();
    database = await home.openDatabase();
  });
  afterEach(async () => {
    for (const one of started) one.kill("SIGKILL");
    await Promise.all(started.splice(0).map(({ exited }) => exited));
    await database.close();
    await home.remove();
  });

  /** An older build's database, in which somebody has said something. */
  const grow = async () => {
    await database.query(
      "create table schema_migrations (version int primary key, name text not null, applied_at timestamptz not null default now())",
    );
    for (const name of (await readdir(folder)).toSorted().slice(0, 5)) {
      await database.query(await readFile(join(folder, name), "utf8"));
      await database.query("insert into schema_migrations (version, name) values ($1, $2)", [parseInt(name, 10), name]);
    }
    await database.query(
      `insert into memories (channel_id, channel_name, conversation_id, audience, author_id, author_name, source_message_id, kind, text,
         created_at, position, terms, term_ids, length)
       values (7, 'general', 7, 'public', 8, 'ann', 9, 'message', 'my cat is called Miso', now(), 1, '{}/65536', '{}', 5)`,
    );
    await database.query(
      `insert into memory_vectors (memory_id, scope, space, embedding) select id, scope, 'a', '[1,-1]' from memories`,
    );
  };
  /** Whoever comes to such a statement stands still there as long as the lock 1 is held. */
  const stop = async (trap: string) => {
    const wait = "begin perform pg_advisory_xact_lock_shared(1); return null; end";
    await database.query("create schema trap");
    await database.query(`create function trap.rows() returns trigger language plpgsql as '${wait}'`);
    const waitFor = wait.replace("return null;", "");
    await database.query(`create function trap.words() returns event_trigger language plpgsql as '${waitFor}'`);
    await database.query(trap);
  };

  it.each([
    [
      "defines something",
      "event trigger trap on ddl_command_start when tag in ('ALTER TABLE') execute function trap.words()",
    ],
    ["changes rows", "trigger trap before update on memory_sketches for each statement execute function trap.rows()"],
    [
      "notes what is done",
      "trigger trap after insert on schema_migrations for each statement execute function trap.rows()",
    ],
    [
      "makes the queue",
      "event trigger trap on ddl_command_start when tag in ('CREATE TYPE') execute function trap.words()",
    ],
  ])("%s: the next one completes the schema", async (_, trap) => {
    await grow();
    await stop(`create ${trap}`);
    await database.transaction(async (tx) => {
      await tx.query("select pg_advisory_xact_lock(1)");
      const first = startMigrating();
      const isThere = `select count(*)::int as n from pg_locks join pg_database d on d.oid = database
        where datname = current_database() and locktype = 'advisory' and objid = 1 and not granted`;
      await vi.waitFor(async () => expect(await tx.query(isThere)).toEqual([{ n: 1 }]), patience);
      first.kill("SIGKILL");
      expect(await first.exited).toBeNull();
    });
    const next = startMigrating();
    expect([await next.exited, next.log.filter(({ level }) => level === "error" || level === "fatal")]).toEqual([
      0,
      [],
    ]);
    await database.query("drop event trigger if exists trap");
    await database.query("drop schema trap cascade");
    const fresh = await openServerDatabase();
    try {
      expect(await shapeOf(database)).toEqual(await shapeOf(fresh));
    } finally {
      await fresh.close();
    }
    expect(await database.query("select channel_id, audience, author_id from memory_sketches")).toEqual([
      { channel_id: "7", audience: "public", author_id: "8" },
    ]);
  });
});
