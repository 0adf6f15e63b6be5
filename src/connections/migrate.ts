import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ForeseenError, Misconfigured } from "../errors.ts";
import { explainMigration } from "./postgres-faults.ts";
import type { Database, Sql } from "./postgres.ts";

const folder = join(import.meta.dirname, "..", "memory", "migrations");

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** The oldest schema whose builds may go on while this one is there; null where only builds that know it may. */
  readonly worksFrom: number | null;
}

/** What a migration says when it only adds: pods of the release before are started anew beside the new ones, and after a rollback. */
const worksFromLine = /^-- Works with builds from schema (\d+) on\.$/m;

/** The migrations that ship with this build, in order. */
async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), "utf8");
      const [, worksFrom] = worksFromLine.exec(sql) ?? [];
      return {
        version: Number.parseInt(name, 10),
        name,
        sql,
        worksFrom: worksFrom === undefined ? null : Number(worksFrom),
      };
    }),
  );
}

/** A short hash of all migrations: two databases with the same one have the same schema. */
export async function schemaHash(): Promise<string> {
  const migrations = await readMigrations();
  return createHash("sha256").update(JSON.stringify(migrations)).digest("hex").slice(0, 12);
}

/** What is told while it goes on. */
export interface Progress {
  /** Called with the name of each migration before it begins. */
  readonly onBegin: (name: string) => void;
  /** Called every `everyMs` while one migration runs, with how long it has. */
  readonly onRunning: (name: string, forMs: number) => void;
  /** Called when another process turns out to migrate this database, once with 0, and then every `everyMs` with how long it has been waited for. */
  readonly onWaiting: (forMs: number) => void;
  readonly everyMs: number;
}

const untold: Progress = { onBegin: () => {}, onRunning: () => {}, onWaiting: () => {}, everyMs: 10_000 };

/**
 * Brings the schema to this build's version, each migration in a transaction of its own, one process at a time. Resolves to
 * the names applied. Throws `schema_newer` when the database is ahead of this build and does not work with it, and names the right that the user lacks.
 */
export async function migrate(database: Database, progress: Progress = untold): Promise<readonly string[]> {
  const migrations = await readMigrations();
  const applied: string[] = [];
  const inTurn = makeTurns(database, progress);
  try {
    await inTurn(prepare);
    for (const migration of migrations) {
      const known = migrations.at(-1)?.version ?? 0;
      if (await inTurn((tx) => apply(tx, migration, known, progress))) applied.push(migration.name);
    }
  } catch (error) {
    throw explainMigration(error);
  }
  return applied;
}

/** Throws `schema_older` or `schema_newer` when the database has a schema that this build does not work with, and names the right that the user lacks. */
export async function checkSchema(database: Sql): Promise<void> {
  const known = (await readMigrations()).at(-1)?.version ?? 0;
  const [there] = await database.query<{ there: boolean }>(
    "select to_regclass('schema_migrations') is not null as there",
  );
  if (there?.there) await checkRights(database);
  const [row] = there?.there
    ? await database.query<{ newest: number | null }>("select max(version) as newest from schema_migrations")
    : [];
  const found = row?.newest ?? 0;
  if (found > known) await refuseUnlessItWorks(database, known);
  if (found >= known) return;
  const problem =
    found === 0 ? "The database is empty" : `The database has schema version ${found}, this build needs ${known}`;
  throw new ForeseenError("schema_older", `${problem}: run this build once with ROLE=migrate`, { kind: "bury" });
}

/** Asked of the catalogue, which everybody may read: a right that is missing would otherwise fail later, in the middle of a message. */
async function checkRights(database: Sql): Promise<void> {
  const [row] = await database.query<{ enough: boolean }>(
    `select bool_and(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, wanted)) as enough
     from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest(array['select', 'insert', 'update', 'delete']) as wanted
     where c.relkind in ('r', 'p') and (n.nspname = 'pgboss' or n.nspname = any (current_schemas(false)))
       and c.relowner = (select relowner from pg_class where oid = 'schema_migrations'::regclass)`,
  );
  if (row?.enough) return;
  const problem = "the user may not read and write all tables";
  const remedy = "Have an administrator grant what docs/operations/database-roles.md names";
  throw new Misconfigured([{ where: "POSTGRESQL_URL", problem, remedy }]);
}

/** One process at a time, until the transaction ends: "if not exists" alone fails when two create the same at once. */
function makeTurns(database: Database, { onWaiting, everyMs }: Progress) {
  let wasTold = false;
  const waitMyTurn = async (tx: Sql) => {
    const [row] = await tx.query<{ mine: boolean }>("select pg_try_advisory_xact_lock(727001) as mine");
    if (row?.mine) return;
    // Two that take turns with each migration tell it once.
    if (!wasTold) onWaiting(0);
    wasTold = true;
    const ended = tellMeanwhile(everyMs, onWaiting);
    await tx.query("select pg_advisory_xact_lock(727001)").finally(ended);
  };
  return <T>(work: (tx: Sql) => Promise<T>): Promise<T> =>
    database.longTransaction(async (tx) => {
      await waitMyTurn(tx);
      return work(tx);
    });
}

/** Tells every so often how long it goes on, until the returned function is called. */
function tellMeanwhile(everyMs: number, tell: (forMs: number) => void): () => void {
  const since = performance.now();
  const timer = setInterval(() => tell(performance.now() - since), everyMs);
  return () => clearInterval(timer);
}

/** Looked for first, because creating what is there needs a right that a user who only runs the product may lack. */
async function prepare(tx: Sql): Promise<void> {
  const [row] = await tx.query<{ there: boolean; isWhole: boolean }>(
    `select to_regclass('schema_migrations') is not null as there,
       exists (select from pg_attribute where attrelid = to_regclass('schema_migrations') and attname = 'works_from') as "isWhole"`,
  );
  if (row?.isWhole) return;
  await tx.query(
    row?.there
      ? "alter table schema_migrations add column works_from int"
      : `create table schema_migrations (
           version int primary key, name text not null, applied_at timestamptz not null default now(), works_from int)`,
  );
}

/** False when it has been applied before. */
async function apply(
  tx: Sql,
  { version, name, sql, worksFrom }: Migration,
  known: number,
  { onBegin, onRunning, everyMs }: Progress,
): Promise<boolean> {
  const [row] = await tx.query<{ newest: number | null; done: boolean }>(
    `select max(version) as newest, coalesce(bool_or(version = $1), false) as done from schema_migrations`,
    [version],
  );
  if (row?.newest && row.newest > known) await refuseUnlessItWorks(tx, known);
  if (row?.done) return false;
  onBegin(name);
  const ended = tellMeanwhile(everyMs, (forMs) => onRunning(name, forMs));
  await tx.query(sql).finally(ended);
  await tx.query("insert into schema_migrations (version, name, works_from) values ($1, $2, $3)", [
    version,
    name,
    worksFrom,
  ]);
  return true;
}

/** Throws `schema_newer` where a newer build's migration has not promised to work with this build. */
async function refuseUnlessItWorks(database: Sql, known: number): Promise<void> {
  const [row] = await database.query<{ newest: number; works: boolean }>(
    `select max(version) as newest, bool_and(coalesce(works_from, version) <= $1) as works
     from schema_migrations where version > $1`,
    [known],
  );
  if (row === undefined || row.works) return;
  throw new ForeseenError(
    "schema_newer",
    `The database has schema version ${row.newest}, this build knows ${known}: start the newer build, or restore a backup`,
    { kind: "bury" },
  );
}
