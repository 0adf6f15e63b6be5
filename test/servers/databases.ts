import { describe } from "vitest";
import { openPglite } from "../../src/connections/pglite.ts";
import { openPostgres, type Database } from "../../src/connections/postgres.ts";
import { openFreshDatabase, openServerDatabase, temporaryFolder } from "../connections/fresh-database.ts";
import { createServerDatabase, whyNoPostgres16, whyNoPostgres } from "./shared.ts";

/** One of the databases that the product runs on. */
export interface DatabaseKind {
  /** A database with the whole schema; `close` removes it. */
  readonly open: () => Promise<Database>;
  /** Whether no other process can use it: the embedded one. */
  readonly alone: boolean;
  /** A place for the product to be started in as a process. */
  readonly openHome: () => Promise<Home>;
}

/** Where a product that runs as a process keeps what it knows. */
export interface Home {
  /** Its data folder. */
  readonly data: string;
  /** What its environment needs to find its database. */
  readonly env: Readonly<Record<string, string>>;
  /** Looks into its database; an embedded one only while the product is not running. */
  readonly openDatabase: () => Promise<Database>;
  readonly remove: () => Promise<void>;
}

/** A data folder with the embedded database. */
export async function openEmbeddedHome(): Promise<Home> {
  const { path, remove } = await temporaryFolder();
  return { data: path, env: {}, openDatabase: () => openPglite(path), remove };
}

/** While its database is `empty`, the product makes its schema at its first start; a gateway and a worker need it `migrated`. */
export async function openServerHome(
  content: "migrated" | "empty" = "empty",
  server: "/postgres" | "/postgres-16" = "/postgres",
): Promise<Home> {
  const [folder, { url, drop }] = await Promise.all([temporaryFolder(), createServerDatabase(content, server)]);
  return {
    data: folder.path,
    env: { POSTGRESQL_URL: url },
    openDatabase: () => openPostgres({ url, poolMin: 0, poolMax: 2, onIdleError: () => {} }),
    remove: async () => {
      await drop();
      await folder.remove();
    },
  };
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
  describeUnless(null, `${title}, on the embedded database`, () =>
    suite({ open: openFreshDatabase, alone: true, openHome: openEmbeddedHome }),
  );
  describeUnless(missing, `${title}, on a server`, () =>
    suite({ open: () => openServerDatabase(), alone: false, openHome: () => openServerHome() }),
  );
}

/** Describes it on an older PostgreSQL, too: what asks most of it. */
export async function describeOnEveryDatabase(title: string, suite: (kind: DatabaseKind) => void): Promise<void> {
  await describeOnBothDatabases(title, suite);
  const server = "/postgres-16";
  describeUnless(await whyNoPostgres16(), `${title}, on PostgreSQL 16`, () =>
    suite({
      open: () => openServerDatabase(server),
      alone: false,
      openHome: () => openServerHome("empty", server),
    }),
  );
}
