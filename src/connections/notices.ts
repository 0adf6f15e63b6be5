import { randomUUID } from "node:crypto";
import pg from "pg";
import { asError, Misconfigured } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { watchClock } from "./clock.ts";
import { clientOptions, type Sql } from "./postgres.ts";

/** Why the processes of one database call each other. */
type Topic = "kept" | "revoked" | "place" | "serving";

/**
 * Calls between the processes of one database, by Postgres's NOTIFY. A call may be lost when a connection breaks; whoever listens looks for itself now
 * and then. A process does not hear its own calls, and an embedded database has nobody else to hear them.
 */
export interface Notices extends Component {
  /** Calls the others once `tx` has committed; `words` hold no space, and together fewer than 8,000 characters. */
  send(tx: Sql, topic: Topic, words?: readonly string[]): Promise<void>;
  /** Calls back with the words of each call, and with null when calls may have been lost. */
  on(topic: Topic, listener: (words: readonly string[] | null) => void): void;
  /** How many processes of these roles have their line open, as of some seconds ago; at least 1. */
  processes(...roles: readonly string[]): number;
}

const channel = "discord_agent";
const againMs = { least: 250, most: 10_000 };

const nameOf = (role: string) => `discord-agent ${role}`;
const countEveryMs = 5_000;

/** `url` null: an embedded database, in which nobody is called. */
export function makeNotices({ url, role, log }: { url: string | null; role: string; log: Logger }): Notices {
  const sender = randomUUID();
  const listeners: { readonly topic: Topic; readonly tell: (words: readonly string[] | null) => void }[] = [];
  const heard = (payload = "") => {
    const [from, topic, ...words] = payload.split(" ");
    if (from === sender) return;
    for (const listener of listeners) if (listener.topic === topic) listener.tell(words);
  };
  const lost = () => {
    for (const { tell } of listeners) tell(null);
  };
  const line = makeLine({ url, name: nameOf(role), heard, lost, log });
  return {
    name: "notices",
    send: async (tx, topic, words = []) => {
      if (url !== null) await tx.query("select pg_notify($1, $2)", [channel, [sender, topic, ...words].join(" ")]);
    },
    on: (topic, tell) => listeners.push({ topic, tell }),
    processes: (...roles) =>
      Math.max(
        1,
        roles.reduce((sum, one) => sum + (line.counts().get(nameOf(one)) ?? 0), 0),
      ),
    start: async () => {
      if (url !== null) await refuseDeafLine(url);
      await line.open();
    },
    stop: () => line.close(),
    check: async () =>
      line.isOpen() || url === null
        ? { status: "healthy" }
        : {
            status: "degraded",
            details: { reason: "other processes are not heard at once: every second is looked instead" },
          },
  };
}

const hearingMs = 5_000;

/**
 * Rejects where a pooler lends every transaction another connection: nobody would hear a call, and no process would know how many share the limits.
 * A server that is away is for the line to wait for.
 */
async function refuseDeafLine(url: string): Promise<void> {
  const options = { ...clientOptions(url), query_timeout: hearingMs };
  const [listener, speaker] = [new pg.Client(options), new pg.Client(options)];
  const probe = `probe_${randomUUID().replaceAll("-", "")}`;
  const heard = Promise.withResolvers<boolean>();
  listener.on("notification", () => heard.resolve(true));
  for (const one of [listener, speaker]) one.on("error", () => heard.resolve(true));
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.all([listener.connect(), speaker.connect()]);
    await listener.query(`listen ${probe}`);
    await speaker.query(`notify ${probe}`);
    // Nothing was heard, and yet the line lives: a server that stands still is no deaf one.
    const isDeaf = () =>
      listener.query("select 1").then(
        () => heard.resolve(false),
        () => heard.resolve(true),
      );
    timer = setTimeout(() => void isDeaf(), hearingMs);
  } catch {
    heard.resolve(true);
  }
  const isDeaf = !(await heard.promise);
  clearTimeout(timer);
  // Not waited for: a server that stands still does not say goodbye.
  for (const one of [listener, speaker]) void one.end().catch(() => {});
  if (!isDeaf) return;
  const problem =
    "a pooler in transaction mode stands before the server: processes do not hear each other through it (LISTEN), nor see how many share the limits";
  const remedy =
    "Name the server itself, or a pooler in session mode; each process opens POSTGRES_POOL_MAX_SIZE connections at most, and one more";
  throw new Misconfigured([{ where: "POSTGRESQL_URL", problem, remedy }]);
}

interface LineOptions {
  readonly url: string | null;
  /** By which the line is known to Postgres. */
  readonly name: string;
  readonly heard: (payload?: string) => void;
  readonly lost: () => void;
  readonly log: Logger;
}

/** One connection that only listens, opened again and again; nothing waits for it. */
function makeLine({ url, name, heard, lost, log }: LineOptions) {
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let waitMs = againMs.least;
  let counting: NodeJS.Timeout | undefined;
  const broke = (error: Error) =>
    log.warn({ component: "notices", reason: error.message }, "the line to other processes broke");
  const census = makeCensus(watchClock(log), (asked, error) => {
    // A line that answers nothing hears nothing either.
    if (asked !== client) return;
    broke(error);
    void asked.end().catch(() => {});
  });
  const again = () => {
    client = null;
    clearInterval(counting);
    if (isClosed) return;
    timer = setTimeout(() => void open(), waitMs);
    waitMs = Math.min(againMs.most, waitMs * 2);
  };
  const open = async (): Promise<void> => {
    if (url === null || isClosed) return;
    const next = new pg.Client({ ...clientOptions(url), application_name: name, query_timeout: hearingMs });
    next.on("notification", ({ payload }) => heard(payload));
    // What breaks later says so once, here; a connection that never stood says so to `connect`.
    next.once("end", () => {
      if (next === client) again();
    });
    next.on("error", broke);
    try {
      await next.connect();
      await next.query(`listen ${channel}`);
    } catch {
      void next.end().catch(() => {});
      return again();
    }
    client = next;
    waitMs = againMs.least;
    if (isClosed) return next.end();
    await census.count(next);
    counting = setInterval(() => void census.count(next), countEveryMs).unref();
    lost();
  };
  return {
    open,
    isOpen: () => client !== null,
    counts: census.counts,
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      clearInterval(counting);
      await client?.end().catch(() => {});
      client = null;
    },
  };
}

/** How many processes of each name there are, and what time it is; while it cannot be asked, what was last known is good enough. */
function makeCensus(compareClocks: ReturnType<typeof watchClock>, onFailure: (asked: pg.Client, error: Error) => void) {
  let counts: ReadonlyMap<string, number> = new Map();
  let isAsking = false;
  return {
    counts: () => counts,
    count: async (asked: pg.Client): Promise<void> => {
      if (isAsking) return;
      isAsking = true;
      try {
        const askedMs = Date.now();
        const { rows } = await asked.query<{ name: string; n: number; now: Date }>(
          `select application_name as name, count(*)::int as n, now() from pg_stat_activity
           where datname = current_database() and application_name <> '' group by 1`,
        );
        const [first] = rows;
        if (first !== undefined) compareClocks(askedMs, first.now.getTime(), Date.now());
        counts = new Map(rows.map((row) => [row.name, row.n]));
      } catch (error) {
        onFailure(asked, asError(error));
      } finally {
        isAsking = false;
      }
    },
  };
}
