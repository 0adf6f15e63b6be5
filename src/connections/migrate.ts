import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ForeseenError } from "../errors.ts";
import type { Database } from "./postgres.ts";

const folder = join(import.meta.dirname, "..", "memory", "migrations");

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** The migrations that ship with this build, in order. */
async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => ({
      version: Number.parseInt(name, 10),
      name,
      sql: await readFile(join(folder, name), "utf8"),
    })),
  );
}

/** A short hash of all migrations: two databases with the same one have the same schema. */
export async function schemaHash(): Promise<string> {
  const migrations = await readMigrations();
  return createHash("sha256").update(JSON.stringify(migrations)).digest("hex").slice(0, 12);
}

/**
 * Brings the schema to this build's version, each migration in a transaction of its own, one process at a time. Resolves to
 * the names applied. Throws `schema_newer` when the database is ahead of this build.
 */
export async function migrate(database: Database): Promise<readonly string[]> {
  const migrations = await readMigrations();
  await database.query(
    `create table if not exists schema_migrations (
       version int primary key, name text not null, applied_at timestamptz not null default now())`,
  );
  const applied: string[] = [];
  for (const migration of migrations) {
    const did = await database.transaction(async (tx) => {
      await tx.query("select pg_advisory_xact_lock(727001)");
      const [row] = await tx.query<{ newest: number | null; done: boolean }>(
        `select max(version) as newest, coalesce(bool_or(version = $1), false) as done from schema_migrations`,
        [migration.version],
      );
      const known = migrations.at(-1)?.version ?? 0;
      if (row?.newest && row.newest > known) throw newer(row.newest, known);
      if (row?.done) return false;
      await tx.query(migration.sql);
      await tx.query("insert into schema_migrations (version, name) values ($1, $2)", [
        migration.version,
        migration.name,
      ]);
      return true;
    });
    if (did) applied.push(migration.name);
  }
  return applied;
}

function newer(found: number, known: number): ForeseenError {
  return new ForeseenError(
    "schema_newer",
    `The database has schema version ${found}, this build knows ${known}: start the newer build, or restore a backup`,
    { kind: "bury" },
  );
}
