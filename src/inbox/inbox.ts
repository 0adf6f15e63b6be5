import { PgBoss } from "pg-boss";
import type { Receipt } from "../chat/chat.ts";
import type { Database, Sql } from "../connections/postgres.ts";
import type { Envelope, Priority, Snowflake } from "../envelope.ts";
import type { Check, Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { bareTurns, putBackOpen } from "./forgetting.ts";
import { readReport, tokensToday, type InboxReport } from "./report.ts";
import { deleteTurns, editTurn } from "./revisions.ts";
import {
  finishTurn,
  joinFollowing,
  markSpeaking,
  putBackTurn,
  storeDraft,
  takeUpTurns,
  type Delay,
  type Draft,
  type Turn,
} from "./turns.ts";
import { asBossDb, jobId, jobOf, keepAll, queue } from "./keeping.ts";

/** Where a message is kept until it has been answered. The job in the queue and the row of the turn change together. */
export interface Inbox extends Component {
  /** Resolves once the message is durable: true, or false when it was known already. */
  keep(envelope: Envelope, priority: Priority): Promise<boolean>;
  /** Keeps several as part of the transaction `tx`, in their order; resolves to how many are new. Call `wake` once it has committed. */
  keepAll(tx: Sql, heard: readonly { readonly envelope: Envelope; readonly priority: Priority }[]): Promise<number>;
  /** Tells those who wait for work in this process that there is some. */
  wake(): void;
  /** These messages are gone: what waits is not answered, what is being answered is not spoken, and their words leave the turns. */
  deleted(
    tx: Sql,
    messageIds: readonly Snowflake[],
  ): Promise<{ readonly conversations: readonly Snowflake[]; readonly revoked: readonly Snowflake[] }>;
  /**
   * A message has new words. One that waits is answered in its new wording, one that is being answered begins anew, and one that was answered a
   * minute ago or less is answered again (`isAgain`); older ones only change their words. `isKnown`: there is such a message.
   */
  edited(tx: Sql, envelope: Envelope): Promise<{ readonly isKnown: boolean; readonly isAgain: boolean }>;
  /** Puts back what is being answered in these scopes, to be thought of anew; resolves to the messages to be `revoked` once `tx` has committed. */
  beginAnew(tx: Sql, scopes: readonly Snowflake[]): Promise<readonly Snowflake[]>;
  /** Ends what this process does for these messages; call it once the transaction of `deleted` (they are gone) or `edited` has committed. */
  revoked(messageIds: readonly Snowflake[], areGone: boolean): void;
  /** Calls back with every message whose answer is no longer wanted, or not this one. */
  onRevoked(listener: (messageIds: readonly Snowflake[], areGone: boolean) => void): void;
  /** Takes up at most `limit` turns, the oldest of each conversation that is not being answered already. */
  take(limit: number): Promise<readonly Turn[]>;
  saveDraft(turn: Turn, draft: Draft): Promise<void>;
  /** Remembers that the draft is about to be shown. */
  beginSpeaking(turn: Turn): Promise<void>;
  /** Ends the turn as answered, with whatever `also` stores, in one transaction. */
  finish(turn: Turn, receipt: Receipt | null, also: (tx: Sql) => Promise<void>): Promise<void>;
  /** Ends the turn without an answer, because a judge said so. */
  ignore(turn: Turn, reason: string, also: (tx: Sql) => Promise<void>): Promise<void>;
  /** Puts the turn back, not to be taken up before its time. */
  defer(turn: Turn, delay: Delay): Promise<void>;
  /** Gives the turn up for good. */
  bury(turn: Turn, error: string, reference: string): Promise<void>;
  /** Tells the queue that these turns are still being worked on. */
  touch(turns: readonly Turn[]): Promise<void>;
  /** What each agent's answers have used since midnight UTC, in tokens. */
  tokensToday(): Promise<ReadonlyMap<string, number>>;
  /** Calls back after every `keep`, in this process. */
  onKept(listener: () => void): void;
  report(): Promise<InboxReport>;
}

/** `alone`: no other process uses this database, so turns found in progress at the start belong to a dead one. */
export function makeInbox(options: { database: Database; alone: boolean; log: Logger }): Inbox {
  const { database } = options;
  const boss = makeBoss(database, options.alone, options.log);
  const listeners: (() => void)[] = [];
  const wake = () => {
    for (const listener of listeners) listener();
  };
  const end = (turn: Turn, how: Parameters<typeof finishTurn>[2], also: (tx: Sql) => Promise<void>) =>
    database.transaction(async (tx) => {
      await finishTurn(tx, turn, how);
      await boss.complete(queue, attempt(turn), null, { db: asBossDb(tx) });
      await also(tx);
      if (!turn.remembered) await bareTurns(tx, turn.parts.map(idOf));
    });

  return {
    name: "inbox",
    ...makeLife(boss, options, wake),
    keep: async (envelope, priority) => {
      const kept = await database.transaction((tx) => keepAll(tx, boss, [{ envelope, priority }]));
      if (kept > 0) wake();
      return kept > 0;
    },
    keepAll: (tx, heard) => keepAll(tx, boss, heard),
    wake,
    ...makeRevising(boss),
    take: (limit) => take(database, boss, limit),
    saveDraft: (turn, draft) => storeDraft(database, turn, draft),
    beginSpeaking: (turn) => markSpeaking(database, turn),
    finish: (turn, receipt, also) => end(turn, { state: "answered", error: null, reference: null, receipt }, also),
    ignore: (turn, reason, also) =>
      end(turn, { state: "ignored", error: reason, reference: null, receipt: null }, also),
    bury: (turn, error, reference) => end(turn, { state: "buried", error, reference, receipt: null }, nothing),
    defer: (turn, delay) =>
      database.transaction(async (tx) => {
        const db = asBossDb(tx);
        await putBackTurn(tx, turn, delay);
        await boss.fail(queue, attempt(turn), { reason: delay.reason }, { db });
        await boss.update(queue, undefined, { id: turn.job.id, startAfter: delay.notBefore, db });
      }),
    touch: async (turns) => {
      if (turns.length > 0) await boss.touch(queue, turns.map(attempt));
    },
    tokensToday: () => tokensToday(database),
    onKept: (listener) => listeners.push(listener),
    report: () => readReport(database),
  };
}

function makeLife(
  boss: PgBoss,
  { database, alone, log }: { database: Database; alone: boolean; log: Logger },
  wake: () => void,
): Pick<Inbox, "start" | "stop"> & Required<Pick<Inbox, "check">> {
  let searching: NodeJS.Timeout | undefined;
  return {
    start: async () => {
      await boss.start();
      await boss.createQueue(queue, { policy: "key_strict_fifo", retryLimit: 1_000_000, heartbeatSeconds: 60 });
      // Fills the library's cache of queues, which it would otherwise read around a transaction that holds the only connection.
      await boss.touch(queue, [jobId("0")]);
      if (alone) await reclaim(database, boss);
      if (alone) await boss.deleteStoredJobs(queue);
      else searching = setInterval(makeSearch({ database, boss, wake, log }), searchEveryMs).unref();
    },
    stop: async () => {
      clearInterval(searching);
      await boss
        .stop({ graceful: false, close: false })
        .catch((error: Error) => log.warn({ err: error }, "inbox did not stop cleanly"));
    },
    check: async (): Promise<Check> => {
      const { waiting, buried } = await readReport(database);
      return { status: "healthy", details: { waiting, buried } };
    },
  };
}

const searchEveryMs = 2_500;
/** A consumer touches its turns every 2.5 s. */
const deadAfterSeconds = 7.5;

/**
 * Puts back the turns of processes that died, ten seconds after their last sign of life; the library's own supervision takes a minute or two. What
 * is silent has to be so in two looks: after an outage of Postgres everybody is, until they have touched theirs.
 */
function makeSearch(options: { database: Database; boss: PgBoss; wake: () => void; log: Logger }): () => void {
  const { database, boss, wake, log } = options;
  let suspects = new Set<string>();
  const search = async () => {
    const silent = await database.query<{ id: string; retryCount: number }>(
      `select id, retry_count as "retryCount" from pgboss.job
       where name = $1 and policy = 'key_strict_fifo' and state = 'active' and heartbeat_on < now() - make_interval(secs => $2)`,
      [queue, deadAfterSeconds],
    );
    const nameOf = (job: { id: string; retryCount: number }) => `${job.id} ${job.retryCount}`;
    const dead = silent.filter((job) => suspects.has(nameOf(job)));
    suspects = new Set(silent.map(nameOf));
    if (dead.length === 0) return;
    await boss.fail(queue, dead, { reason: "the process that held it is gone" });
    log.warn({ component: "inbox", turns: dead.length }, "the turns of a process that died are put back");
    wake();
  };
  // While Postgres is away nobody can tell who died, and others say that it is.
  return () => void search().catch(() => suspects.clear());
}

/** What becomes of messages that their writers change or take back. */
function makeRevising(boss: PgBoss): Pick<Inbox, "deleted" | "edited" | "beginAnew" | "revoked" | "onRevoked"> {
  const revocations: ((messageIds: readonly Snowflake[], areGone: boolean) => void)[] = [];
  return {
    deleted: async (tx, messageIds) => {
      const rows = await deleteTurns(tx, messageIds);
      const open = rows.filter((row) => row.wasOpen).map((row) => row.messageId);
      if (open.length > 0) await boss.deleteJob(queue, open.map(jobId), { db: asBossDb(tx) });
      return { conversations: [...new Set(rows.map((row) => row.conversationId))], revoked: open };
    },
    edited: async (tx, envelope) => {
      const outcome = await editTurn(tx, envelope);
      if (outcome.isAgain) {
        await boss.deleteJob(queue, jobId(envelope.messageId), { db: asBossDb(tx) });
        await boss.insert(queue, [jobOf(envelope, "mention")], { db: asBossDb(tx) });
      }
      return outcome;
    },
    beginAnew: async (tx, scopes) => {
      const open = await putBackOpen(tx, scopes);
      if (open.length === 0) return [];
      const db = asBossDb(tx);
      await boss.deleteJob(queue, open.map(idOf).map(jobId), { db });
      await boss.insert(
        queue,
        open.map((one) => jobOf(one, "mention")),
        { db },
      );
      return open.map(idOf);
    },
    revoked: (messageIds, areGone) => {
      for (const listener of revocations) listener(messageIds, areGone);
    },
    onRevoked: (listener) => revocations.push(listener),
  };
}

function makeBoss(database: Database, alone: boolean, log: Logger): PgBoss {
  const boss = new PgBoss({
    db: { executeSql: (text, values) => asBossDb(database).executeSql(text, values).catch(admitTheRace) },
    backend: alone ? "pglite" : "postgres",
    schedule: false,
    // An embedded database has one user, whose dead turns are reclaimed at its start; there is nobody to supervise.
    supervise: !alone,
    monitorVacuum: false,
  });
  boss.on("error", (error) => log.error({ err: error, component: "inbox" }, "the queue reported an error"));
  return boss;
}

/**
 * Of processes that start at once, one makes the queue's schema; pg-boss lets the others go on when it reads "already exists". Postgres
 * has another word for it when the name was looked up before the lock was waited for.
 */
function admitTheRace(error: Error & { constraint?: string }): never {
  throw error.constraint === "pg_namespace_nspname_index" ? new Error("already exists", { cause: error }) : error;
}

const nothing = async () => {};
const idOf = ({ messageId }: { readonly messageId: Snowflake }) => messageId;

/** pg-boss's identity of one attempt: a stale one completes and fails nothing. */
function attempt(turn: Turn): { id: string; retryCount: number } {
  return { id: turn.job.id, retryCount: turn.job.retryCount };
}

async function take(database: Database, boss: PgBoss, limit: number): Promise<readonly Turn[]> {
  return database.transaction(async (tx) => {
    const db = asBossDb(tx);
    const jobs = await boss.fetch<{ messageId: Snowflake }>(queue, { batchSize: limit, includeMetadata: true, db });
    if (jobs.length === 0) return [];
    for (const job of jobs) {
      const joined = await joinFollowing(tx, job.data.messageId);
      if (joined.length > 0) await boss.deleteJob(queue, joined.map(jobId), { db });
    }
    const turns = await takeUpTurns(
      tx,
      jobs.map((job) => job.data.messageId),
    );
    const finished = jobs.filter((job) => !turns.has(job.data.messageId)).map((job) => job.id);
    if (finished.length > 0) await boss.complete(queue, finished, null, { db });
    return jobs.flatMap((job) => {
      const turn = turns.get(job.data.messageId);
      return turn ? [{ ...turn, job: { id: job.id, retryCount: job.retryCount } }] : [];
    });
  });
}

async function reclaim(database: Database, boss: PgBoss): Promise<void> {
  const rows = await database.query<{ id: string }>("select id from pgboss.job where name = $1 and state = 'active'", [
    queue,
  ]);
  if (rows.length > 0)
    await boss.fail(
      queue,
      rows.map((row) => row.id),
      { reason: "the process that held it is gone" },
    );
}
