import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { PgBoss } from "pg-boss";
import { migrate, schemaHash } from "./migrate.ts";
import { openPglite } from "./pglite.ts";

const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "discord-agent");

/** Where the template of this build's schema is, or would be: a new name for every change of the schema. */
export async function templatePath(): Promise<string> {
  return join(cache, `postgres-${await schemaHash()}`);
}

/**
 * Makes the migrated database that new data folders are copied from, unless it is there. Creating one takes seconds and
 * copying it a fraction of one, so `npm ci` does it once, before anybody waits.
 */
export async function buildTemplate(): Promise<void> {
  const path = await templatePath();
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return;
  const unfinished = join(cache, `unfinished-${process.pid}`);
  await mkdir(unfinished, { recursive: true });
  const database = await openPglite(unfinished);
  await migrate(database);
  const boss = new PgBoss({
    db: { executeSql: async (text, values) => ({ rows: await database.query(text, values) }) },
    backend: "pglite",
    supervise: false,
    schedule: false,
  });
  await boss.start();
  await boss.stop({ graceful: false, close: false });
  // Two thirds of the files are of databases that nobody makes another one from.
  await database.query("update pg_database set datistemplate = false");
  for (const name of ["template0", "template1"]) await database.query(`drop database ${name}`);
  await database.close();
  // Templates of older schemas are of no more use.
  const stale = (await readdir(cache)).filter((name) => name.startsWith("postgres-") && join(cache, name) !== path);
  await Promise.all(stale.map((name) => rm(join(cache, name), { recursive: true, force: true })));
  // Another install may have been quicker; its template is as good as ours.
  await rename(join(unfinished, "postgres"), path).catch(() => {});
  await rm(unfinished, { recursive: true, force: true });
}
