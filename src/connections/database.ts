import { ForeseenError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Guard } from "./guard.ts";
import { checkSchema, migrate, type Progress } from "./migrate.ts";
import { openPglite } from "./pglite.ts";
import { openPostgres, type Database } from "./postgres.ts";
import { templatePath } from "./template.ts";

/**
 * The database as a part of the process: opened and migrated at the start, closed at the end. `database` may be handed out before;
 * used before the start, it throws.
 */
export function makeDatabaseComponent(options: {
  /** Null: the embedded database in `folder`. */
  url: string | null;
  poolMin: number;
  poolMax: number;
  folder: string;
  /** True: brings the schema to this build's; false: refuses any other. */
  migrates: boolean;
  guard: Guard;
  metrics: Metrics;
  log: Logger;
  /** How often it is told that the schema is still being changed, or waited for; left out: every ten seconds. */
  tellEveryMs?: number;
}): Component & { database: Database } {
  const { log, metrics } = options;
  let opened: Database | null = null;
  const there = (): Database => {
    if (opened === null)
      throw new ForeseenError("database_closed", "The database is not open", { kind: "retry", afterMs: 1_000 });
    return opened;
  };
  const open = async (): Promise<Database> =>
    options.url === null
      ? openPglite(options.folder, { template: await templatePath() })
      : openPostgres({
          url: options.url,
          poolMin: options.poolMin,
          poolMax: options.poolMax,
          guard: options.guard,
          onIdleError: (error) => log.warn({ err: error, component: "postgres" }, "an idle connection broke"),
        });
  return {
    name: "postgres",
    database: {
      query: (statement, values) => there().query(statement, values),
      transaction: (work) => there().transaction(work),
      longTransaction: (work) => there().longTransaction(work),
      close: () => there().close(),
    },
    start: async () => {
      opened ??= await open();
      if (!options.migrates) await checkSchema(opened);
      const applied = options.migrates ? await migrate(opened, tellOf(log, options.tellEveryMs ?? 10_000)) : [];
      if (applied.length > 0) log.info({ component: "postgres", applied }, "the schema was brought up to date");
      metrics.activeConnections.set({ connection_type: "postgres" }, 1);
    },
    stop: async () => {
      await opened
        ?.close()
        .catch((error: Error) => log.warn({ err: error, component: "postgres" }, "the database did not close cleanly"));
      opened = null;
      metrics.activeConnections.set({ connection_type: "postgres" }, 0);
    },
    check: async () => {
      await there().query("select 1");
      return { status: "healthy", details: { embedded: options.url === null } };
    },
  };
}

/** Tells the log what a migration does: without that, one that takes minutes looks like one that hangs. */
function tellOf(log: Logger, everyMs: number): Progress {
  const postgres = { component: "postgres" };
  const seconds = (ms: number) => Math.round(ms / 1_000);
  return {
    onBegin: (migration) => log.info({ ...postgres, migration }, "changing the schema"),
    onRunning: (migration, forMs) =>
      log.info({ ...postgres, migration, runsForSeconds: seconds(forMs) }, "still changing the schema"),
    onWaiting: (forMs) =>
      forMs === 0
        ? log.info(postgres, "another process migrates this database: waiting for it")
        : log.info({ ...postgres, waitedSeconds: seconds(forMs) }, "another process still migrates this database"),
    everyMs,
  };
}
