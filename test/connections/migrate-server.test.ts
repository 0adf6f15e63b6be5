import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { pino } from "pino";
import { makeDatabaseComponent } from "../../src/connections/database.ts";
import { checkSchema, migrate } from "../../src/connections/migrate.ts";
import { openPostgres, type Database } from "../../src/connections/postgres.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { describeUnless } from "../servers/databases.ts";
import { administer, type TestDatabase } from "../servers/postgres.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";
import { byItself } from "../inbox/by-itself.ts";
import { shapeOf } from "./schema-shape.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { unguarded } from "../resilience/unguarded.ts";

const log = pino({ level: "silent" });

/** The schema of the first release: no build knows an older one. */
const firstRelease = 7;

describeUnless(await whyNoPostgres(), "the migrations on a server", () => {
  let place: TestDatabase;
  const open: Database[] = [];
  const held: (() => void)[] = [];
  const connect = async () => {
    const database = await openPostgres({ url: place.url, poolMin: 0, poolMax: 3, onIdleError: () => {} });
    open.push(database);
    return database;
  };
  beforeEach(async () => {
    place = await createServerDatabase("empty");
  });
  afterEach(async () => {
    for (const release of held.splice(0)) release();
    await Promise.all(open.splice(0).map((database) => database.close()));
    await place.drop();
  });

  it("are applied once when several processes start at once on an empty database, each with its queue", async () => {
    const processes = await Promise.all([1, 2, 3, 4].map(connect));
    const applied = await Promise.all(processes.map((database) => migrate(database)));
    const names = applied.flat();
    expect(names.length).toBeGreaterThan(0);
    expect(new Set(names).size).toBe(names.length);
    const inboxes = processes.map((database) => makeInbox({ ...byItself, database, alone: false, log }));
    await Promise.all(inboxes.map((inbox) => inbox.start(AbortSignal.timeout(30_000), () => {})));
    await Promise.all(inboxes.map((inbox) => inbox.stop(AbortSignal.timeout(5_000))));
    expect(await migrate(processes[0]!)).toEqual([]);
  });

  it.each([
    { later: "one that works with this build", rows: [[9_998, 0]], works: true },
    {
      later: "several that do, each with the one before",
      rows: [
        [9_998, 0],
        [9_999, 0],
      ],
      works: true,
    },
    {
      later: "one that works with newer builds alone",
      rows: [
        [9_998, 0],
        [9_999, 9_998],
      ],
      works: false,
    },
    { later: "one that promises nothing", rows: [[9_998, null]], works: false },
  ])("of a newer build: $later", async ({ rows, works }) => {
    const database = await connect();
    await migrate(database);
    for (const [version, worksFrom] of rows)
      await database.query("insert into schema_migrations (version, name, works_from) values ($1, 'later', $2)", [
        version,
        worksFrom,
      ]);
    for (const start of [migrate, checkSchema]) {
      const end = await start(database).then(
        () => "started",
        (error: { code: string }) => error.code,
      );
      expect(end).toBe(works ? "started" : "schema_newer");
    }
  });

  it("say whom they work with, from the first one on that was written for people who upgrade", async () => {
    const folder = join(import.meta.dirname, "../../src/memory/migrations");
    const silent = (await readdir(folder)).filter(
      (name) =>
        Number.parseInt(name, 10) > firstRelease &&
        !/^-- Works with (builds from schema \d+ on|no older build)\.$/m.test(readFileSync(join(folder, name), "utf8")),
    );
    expect(silent).toEqual([]);
  });

  /** Starts what migrates as the product does, while a lock is held; `said` are the lines of its log with these words. */
  const startBehind = async (lock: string) => {
    const holder = await connect();
    const [taken, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    held.push(() => over.resolve());
    const holding = holder.transaction(async (tx) => {
      await tx.query(`select pg_advisory_xact_lock(${lock})`);
      taken.resolve();
      await over.promise;
    });
    await taken.promise;
    const lines: Readonly<Record<string, unknown>>[] = [];
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
    const server = { url: place.url, poolMin: 0, poolMax: 2, folder: "", migrates: true, guard: unguarded };
    const component = makeDatabaseComponent({
      ...server,
      metrics: makeMetrics(),
      log: pino({}, { write }),
      tellEveryMs: 20,
    });
    const started = component.start(AbortSignal.timeout(60_000), () => {});
    return {
      said: (words: string) => lines.filter(({ msg }) => msg === words),
      goOn: async () => {
        over.resolve();
        await holding;
        await started;
        await component.stop(AbortSignal.timeout(1_000));
      },
    };
  };

  it("say once that another process migrates, and then how long it has been waited for", async () => {
    const { said, goOn } = await startBehind("727001");
    const isStillWaiting = () => expect(said("another process still migrates this database").length).toBeGreaterThan(2);
    await vi.waitFor(isStillWaiting, { timeout: 30_000 });
    expect(said("another process still migrates this database")[0]).toMatchObject({ waitedSeconds: 0 });
    expect(said("another process migrates this database: waiting for it")).toHaveLength(1);
    expect(said("changing the schema")).toEqual([]);
    await goOn();
    expect(said("another process migrates this database: waiting for it")).toHaveLength(1);
    expect(said("the schema was brought up to date")).toHaveLength(1);
  });

  it("say how long one of them has run", async () => {
    await administer(
      place.url,
      `create function hold() returns event_trigger language plpgsql as 'begin perform pg_advisory_xact_lock_shared(1); end'`,
    );
    await administer(
      place.url,
      "create event trigger hold on ddl_command_start when tag in ('CREATE INDEX') execute function hold()",
    );
    const { said, goOn } = await startBehind("1");
    const isStillRunning = () => expect(said("still changing the schema").length).toBeGreaterThan(2);
    await vi.waitFor(isStillRunning, { timeout: 30_000 });
    const begun = said("changing the schema").map(({ migration }) => migration);
    expect(begun).toHaveLength(1);
    expect(said("still changing the schema")[0]).toMatchObject({ migration: begun[0], runsForSeconds: 0 });
    expect(said("another process migrates this database: waiting for it")).toEqual([]);
    await goOn();
    expect(said("the schema was brought up to date")).toHaveLength(1);
  });

  it("are whole after the connection was lost at any of their statements", async () => {
    await administer(place.url, "create extension vector");
    // Counts what defines something, and ends the connection at the one whose turn it is. A sequence keeps its count when all else is undone.
    await administer(place.url, "create schema sabotage");
    await administer(place.url, "create sequence sabotage.statements");
    await administer(place.url, "create table sabotage.plan (at int)");
    await administer(place.url, "insert into sabotage.plan values (0)");
    await administer(
      place.url,
      `create function sabotage.strike() returns event_trigger language plpgsql as $$ begin
         if nextval('sabotage.statements') = (select at from sabotage.plan) then
           perform pg_terminate_backend(pg_backend_pid());
         end if;
       end $$`,
    );
    await administer(place.url, "create event trigger strike on ddl_command_end execute function sabotage.strike()");
    const database = await connect();
    let lost = 0;
    for (let statement = 1; ; statement += 1) {
      await administer(place.url, `update sabotage.plan set at = ${statement}`);
      await administer(place.url, "select setval('sabotage.statements', 1, false)");
      const end = await bringUp(database).then(
        () => null,
        (error: unknown) => error,
      );
      if (end === null) break;
      expect(end).toMatchObject({ code: "database_unreachable" });
      lost += 1;
    }
    expect(lost).toBeGreaterThan(10);
    await administer(place.url, "drop event trigger strike");
    await administer(place.url, "drop schema sabotage cascade");
    const fresh = await createServerDatabase("migrated");
    const other = await openPostgres({ url: fresh.url, poolMin: 0, poolMax: 1, onIdleError: () => {} });
    expect(await shapeOf(database)).toEqual(await shapeOf(other));
    await other.close();
    await fresh.drop();
  });
});

/** What a start does to a database. */
async function bringUp(database: Database): Promise<void> {
  await migrate(database);
  const inbox = makeInbox({ ...byItself, database, alone: false, log });
  await inbox.start(AbortSignal.timeout(30_000), () => {});
  await inbox.stop(AbortSignal.timeout(5_000));
}
