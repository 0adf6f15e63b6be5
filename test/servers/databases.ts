import { describe } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { openFreshDatabase, openServerDatabase } from "../connections/fresh-database.ts";
import { whyNoPostgres } from "./shared.ts";

/** One of the databases that the product runs on. */
export interface DatabaseKind {
  /** A database with the whole schema; `close` removes it. */
  readonly open: () => Promise<Database>;
  /** Whether no other process can use it: the embedded one. */
  readonly alone: boolean;
}

/** Describes what needs a server; where `missing` says that there is none, it is skipped, and its name says why. */
export function describeUnless(missing: string | null, title: string, suite: () => void): void {
  describe.skipIf(missing !== null)(`${title}${missing === null ? "" : ` (${missing})`}`, () => {
    suite();
  });
}

/** Describes the same guarantee on the embedded database and on a server. */
export async function describeOnBothDatabases(title: string, suite: (kind: DatabaseKind) => void): Promise<void> {
  const missing = await whyNoPostgres();
  describeUnless(null, `${title}, on the embedded database`, () => suite({ open: openFreshDatabase, alone: true }));
  describeUnless(missing, `${title}, on a server`, () => suite({ open: openServerDatabase, alone: false }));
}
