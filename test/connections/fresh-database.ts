import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../../src/connections/migrate.ts";
import { openPglite } from "../../src/connections/pglite.ts";
import { openPostgres, type Database } from "../../src/connections/postgres.ts";
import { templatePath } from "../../src/connections/template.ts";
import { createServerDatabase } from "../servers/shared.ts";

/** A folder of its own under the system's temporary folder, removed by the returned function. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "discord-agent-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** An embedded database with the whole schema, in a folder of its own; `close` removes it. */
export async function openFreshDatabase(): Promise<Database> {
  const folder = await temporaryFolder();
  const database = await openPglite(folder.path, { template: await templatePath() });
  await migrate(database);
  return {
    ...database,
    close: async () => {
      await database.close();
      await folder.remove();
    },
  };
}

/** A database with the whole schema on the run's Postgres server, or on its PostgreSQL 16, which tests share; `close` removes it. */
export async function openServerDatabase(server: "/postgres" | "/postgres-16" = "/postgres"): Promise<Database> {
  const { url, drop } = await createServerDatabase("migrated", server);
  const database = await openPostgres({ url, poolMin: 0, poolMax: 10, onIdleError: () => {} });
  return {
    ...database,
    close: async () => {
      await database.close();
      await drop();
    },
  };
}
