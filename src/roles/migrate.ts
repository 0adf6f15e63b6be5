import { makeDatabaseComponent } from "../connections/database.ts";
import { makeNotices } from "../connections/notices.ts";
import { makeInbox } from "../inbox/inbox.ts";
import type { Component } from "../lifecycle/component.ts";
import type { RoleOptions } from "./foundation.ts";

/**
 * Brings the database to this build's schema; `done` is called when it is there. The other roles refuse any other schema. It stands on less than they do: every pod waits
 * for it before its program starts.
 */
export function migrateDatabase(
  { config, dataDir, metrics, log }: RoleOptions,
  done: () => void,
): readonly Component[] {
  const { postgresql, role } = config;
  const postgres = makeDatabaseComponent({
    ...postgresql,
    folder: dataDir,
    migrates: true,
    guard: (work) => work(),
    metrics,
    log,
  });
  const notices = makeNotices({ url: postgresql.url, role, log });
  const inbox = makeInbox({
    database: postgres.database,
    notices,
    alone: postgresql.url === null,
    migrates: true,
    log,
  });
  return [postgres, inbox, { name: "migrate", start: async () => done(), stop: async () => {} }];
}
