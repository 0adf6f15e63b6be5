import pg from "pg";
import type { Guard } from "./guard.ts";
import { asUnreachable, checkServer, explainConnection, isUnanswered } from "./postgres-faults.ts";

/** Runs one statement, or several without values, and gives the rows of all. Rows are plain objects; bigint columns arrive as decimal strings. */
export interface Sql {
  query<Row = Record<string, unknown>>(statement: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** Postgres, on a server or embedded: the same SQL either way. */
export interface Database extends Sql {
  /** Commits when `work` resolves, rolls back when it rejects. Inside it, query only through `tx`: an embedded database
   * has one connection, and asking for a second one while holding it would wait for ever. `work` is called again where Postgres has
   * ended the transaction because it and another one waited for each other: what it changes beside the database it must set anew. */
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
  /** The same for what may take minutes: on a server every other statement fails after `answerMs` without an answer. */
  longTransaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * Among the columns that a statement returns: its transaction commits without waiting for the disk. A crash of the server may undo it, and nothing that
 * is committed later without undoing it too: for what is done anew then, and does no harm when it is.
 */
export const withoutWaitingForDisk = "set_config('synchronous_commit', 'off', true)";

/** Postgres's code for what it ended because two waited for each other. */
const deadlock = "40P01";

const unguarded: Guard = (work) => work();

interface DatabaseOptions {
  /** Releases whatever stands behind the pool. */
  readonly onClose?: () => Promise<void>;
  /** Stands before each connection that is lent. */
  readonly guard?: Guard;
  /** How long a statement may take; left out: for ever. */
  readonly answerMs?: number;
}

/** Wraps a pool. */
export function makeDatabase(
  pool: pg.Pool,
  { onClose = async () => {}, guard = unguarded, answerMs = 0 }: DatabaseOptions = {},
): Database {
  const lend = <T>(work: (client: pg.PoolClient) => Promise<T>) => borrow(() => guard(() => connect(pool)), work);
  const inTransaction = <T>(work: (tx: Sql) => Promise<T>, limitMs: number): Promise<T> =>
    lend(async (client) => {
      await run(client, answerMs, "begin");
      const result = await work({ query: (statement, values) => run(client, limitMs, statement, values) });
      await run(client, limitMs, "commit");
      return result;
    });
  return {
    query: (statement, values) => unlocked(() => lend((client) => run(client, answerMs, statement, values))),
    transaction: (work) => unlocked(() => inTransaction(work, answerMs)),
    longTransaction: (work) => inTransaction(work, 0),
    close: async () => {
      await pool.end();
      await onClose();
    },
  };
}

/** Does it again where Postgres has ended it because it and another transaction waited for each other: nothing of it was done. */
async function unlocked<T>(work: () => Promise<T>, times = 3): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (times === 0 || (error as { code?: string }).code !== deadlock) throw error;
    return unlocked(work, times - 1);
  }
}

/**
 * Lends a connection. After a failure it is rolled back: also a statement of many can have begun a transaction that it did not end. One whose
 * statement got no answer in time is closed, because nothing that is asked on it would be answered before that.
 */
async function borrow<T>(take: () => Promise<pg.PoolClient>, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await take();
  let broken: Error | undefined;
  // A connection that is lost while it is lent says so to its statement, and once more to nobody: unheard, that ends the process.
  const lose = (lost: Error) => (broken = lost);
  client.on("error", lose);
  try {
    return await work(client);
  } catch (error) {
    if (isUnanswered(error)) broken = error;
    else await run(client, rollbackMs, "rollback").catch(lose);
    throw error;
  } finally {
    client.off("error", lose);
    client.release(broken);
  }
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw withoutValues(error);
  }
}

/** `limitMs` 0: the statement may take as long as it takes. */
async function run<Row>(
  client: pg.PoolClient,
  limitMs: number,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    const asked = { text, values: [...values], query_timeout: limitMs };
    const result: pg.QueryResult | pg.QueryResult[] = await client.query(asked);
    return [result].flat().flatMap(({ rows }) => rows as Row[]);
  } catch (error) {
    throw withoutValues(error);
  }
}

/** Postgres quotes rows and values in its errors, and these hold what people wrote: only what names the fault is kept. */
function withoutValues(error: unknown): unknown {
  const unreachable = asUnreachable(error);
  if (unreachable !== null) return unreachable;
  if (!(error instanceof pg.DatabaseError)) return error;
  const { code = "unknown", table, constraint } = error;
  // Data exceptions (class 22) quote the value in the message itself.
  const problem = code.startsWith("22") ? "a value was refused" : error.message;
  return Object.assign(new Error(`Postgres ${code}: ${problem}`), { code, table, constraint });
}

/** How every connection to a server is opened. */
export function clientOptions(url: string): pg.ClientConfig {
  return {
    // These modes check the certificate today, with a warning on standard error that another day they will not.
    connectionString: url.replace(/\bsslmode=(?:prefer|require|verify-ca)\b/, "sslmode=verify-full"),
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: "discord-agent",
  };
}

const idleTransactionSeconds = 10;
/** A host that goes from the net says nothing, and the system waits for it for a quarter of an hour. Longer than anybody's lock is held. */
const serverAnswerMs = 15_000;
const rollbackMs = 5_000;

/** Opens a pool to a Postgres server; rejects with one sentence when it cannot be reached or cannot carry the product. */
export async function openPostgres(options: {
  url: string;
  poolMin: number;
  poolMax: number;
  onIdleError: (error: Error) => void;
  guard?: Guard;
}): Promise<Database> {
  const pool = new pg.Pool({
    ...clientOptions(options.url),
    min: options.poolMin,
    max: options.poolMax,
  });
  pool.on("error", options.onIdleError);
  // A process that is frozen in the middle of a transaction holds its locks, and with them whole conversations. Not as a parameter of the
  // connection: poolers refuse those that they do not know.
  pool.on("connect", (client) => {
    client.query(`set idle_in_transaction_session_timeout = '${idleTransactionSeconds}s'`).catch(() => {});
  });
  const guard = options.guard ?? unguarded;
  const database = makeDatabase(pool, { guard, answerMs: serverAnswerMs });
  try {
    const first = await pool.connect();
    first.release();
    await checkServer(database);
  } catch (error) {
    await pool.end();
    throw explainConnection(error);
  }
  return database;
}
