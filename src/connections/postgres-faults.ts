import { ForeseenError, Misconfigured } from "../errors.ts";
import { explainCertificate } from "./certificates.ts";
import type { Sql } from "./postgres.ts";

/** The oldest PostgreSQL that everything was seen to work on (what runs each time is 16 and 18), and the first pgvector with half-precision and sparse vectors. */
const oldestPostgres = 15;
const oldestVector = "0.7.0";

/** Codes of Postgres and of the network that say: the server cannot be asked now, another time it can. */
const passing =
  /^(?:08...|57P0[1-5]|53100|53300|25006|E(?:CONN\w+|TIMEDOUT|HOSTUNREACH|NETUNREACH|PIPE|NOTFOUND|AI_AGAIN))$/;
/** What `pg` says of the same, for which it has no code. */
const passingMessage =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;
/** What `pg` says when a statement takes longer than it may. */
const unansweredMessage = "Query read timeout";
/** What the pool says when all of its connections are lent. */
const poolMessage = "timeout exceeded when trying to connect";

/** Whether a statement got no answer in time: its connection is of no use any more. */
export function isUnanswered(error: unknown): error is ForeseenError {
  return error instanceof ForeseenError && error.code === "database_unanswered";
}

/** A failure to ask the server that may be over in a moment; null when the error is another one. Names no host. */
export function asUnreachable(error: unknown): ForeseenError | null {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  const retry = { kind: "retry", afterMs: 1_000 } as const;
  if (message === unansweredMessage)
    return new ForeseenError(
      "database_unanswered",
      "The Postgres server of POSTGRESQL_URL has left a statement unanswered: see that it can be reached, and what it is busy with",
      retry,
    );
  if (!passing.test(code) && !passingMessage.test(message)) return null;
  if (message === poolMessage)
    return new ForeseenError(
      "database_busy",
      "No connection to Postgres was free in time: the server is slow, or POSTGRES_POOL_MAX_SIZE is too small for LANES",
      retry,
    );
  if (code === "53100")
    return new ForeseenError(
      "database_disk_full",
      "The disk that the database is on is full: enlarge it, or make room; what was said meanwhile is answered then",
      retry,
    );
  if (code === "53300")
    return new ForeseenError(
      "database_full",
      "The Postgres server has no connection left: raise its max_connections or lower POSTGRES_POOL_MAX_SIZE",
      retry,
    );
  if (code === "25006")
    return new ForeseenError(
      "database_read_only",
      "The Postgres server of POSTGRESQL_URL only reads: name the primary of its replicas, and see that default_transaction_read_only is off",
      retry,
    );
  return new ForeseenError(
    "database_unreachable",
    `The Postgres server of POSTGRESQL_URL does not answer (${code || "no connection in time"}): see that it runs, and that host and port are right`,
    retry,
  );
}

/** Why the first connection failed, in a sentence that holds nothing of the URL; the error itself when nobody thought of it. */
export function explainConnection(error: unknown): unknown {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  const wrong = (problem: string, remedy: string) => new Misconfigured([{ where: "POSTGRESQL_URL", problem, remedy }]);
  if (code === "28P01" || message.startsWith("SASL"))
    return wrong(
      "the server refuses this user with this password",
      "Correct the two, or set the password on the server",
    );
  if (code === "28000")
    return wrong(
      "the server lets nobody in from here under this name",
      "Correct the user, create it, or add this client to the server's pg_hba.conf",
    );
  if (code === "3D000") return wrong("the server has no database of this name", "Create it, or correct the name");
  if (code === "42501")
    return wrong("the user may not connect to this database", "Grant it: grant connect on database … to …");
  if (code === "ERR_INVALID_URL" || error instanceof URIError)
    return wrong("is not a URL", "Write postgres://user:password@host:5432/database, with %XX for special characters");
  if (message === "The server does not support SSL connections")
    return wrong("asks for TLS, and the server has none", "Turn TLS on there, or drop sslmode here");
  if (/^(?:ENOENT|EACCES|EISDIR)$/.test(code))
    return wrong(
      "names a file that cannot be read",
      "Correct sslrootcert, sslcert and sslkey, or the rights of the files",
    );
  const certificate = explainCertificate(code, "Name its authority with sslrootcert=FILE");
  if (certificate !== null) return wrong(certificate.problem, certificate.remedy);
  return asUnreachable(error) ?? error;
}

/** What `migrate` met a wall at: a right that the user lacks. Any other error is returned as it is. */
export function explainMigration(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string };
  if (code !== "42501") return error;
  const [problem, remedy] = message.includes("extension")
    ? [
        "may not create the extension pgvector",
        "Have an administrator run once in this database: create extension vector",
      ]
    : [
        "may not create tables",
        "Have an administrator grant create on this database and on its schema public to the user",
      ];
  return new Misconfigured([{ where: "POSTGRESQL_URL", problem: `the user ${problem}`, remedy }]);
}

interface Facts {
  readonly version: number;
  readonly encoding: string;
  readonly read_only: boolean;
  /** Null: not installed in this database. */
  readonly installed: string | null;
  readonly available: string | null;
  readonly within_reach: boolean;
}

/** Rejects with one sentence when this server cannot carry the product. */
export async function checkServer(sql: Sql): Promise<void> {
  const [facts] = await sql.query<Facts>(
    `select current_setting('server_version_num')::int / 10000 as version,
       current_setting('server_encoding') as encoding,
       current_setting('transaction_read_only')::bool as read_only,
       (select extversion from pg_extension where extname = 'vector') as installed,
       (select default_version from pg_available_extensions where name = 'vector') as available,
       to_regtype('sparsevec') is not null as within_reach`,
  );
  if (facts === undefined) return;
  if (facts.read_only) throw asUnreachable({ code: "25006" });
  const fault = faultOf(facts);
  if (fault !== null)
    throw new Misconfigured([{ where: "POSTGRESQL_URL", problem: fault.problem, remedy: fault.remedy }]);
}

function faultOf(facts: Facts): { problem: string; remedy: string } | null {
  const { version, encoding, installed, available } = facts;
  if (version < oldestPostgres)
    return {
      problem: `the server is PostgreSQL ${version}`,
      remedy: `Upgrade it to PostgreSQL ${oldestPostgres} or newer`,
    };
  if (encoding !== "UTF8")
    return { problem: `the database is encoded in ${encoding}`, remedy: "Create another one with encoding 'UTF8'" };
  if (installed === null && available === null)
    return { problem: "the server has no pgvector", remedy: `Install pgvector ${oldestVector} or newer on it` };
  if (isOlder(installed ?? available ?? "", oldestVector)) {
    const update = "and run in this database: alter extension vector update";
    const remedy = `Install pgvector ${oldestVector} or newer${installed === null ? "" : `, ${update}`}`;
    return { problem: `its pgvector is ${installed ?? available}`, remedy };
  }
  if (installed !== null && !facts.within_reach)
    return {
      problem: "pgvector is in a schema that is not searched",
      remedy: "Add that schema to the search_path of the user",
    };
  return null;
}

function isOlder(version: string, than: string): boolean {
  const [numbers, bounds] = [version, than].map((text) => text.split(".").map(Number));
  const difference = bounds?.map((bound, i) => (numbers?.[i] ?? 0) - bound).find((by) => by !== 0);
  return difference !== undefined && difference < 0;
}
