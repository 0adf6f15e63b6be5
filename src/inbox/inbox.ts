import { PgBoss, type FetchGroupConcurrencyOptions } from "pg-boss";
import type { Receipt } from "../chat/chat.ts";
import type { Notices } from "../connections/notices.ts";
import type { Database, Sql } from "../connections/postgres.ts";
import type { Envelope, Priority, Snowflake } from "../envelope.ts";
import type { Check, Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { makeSearch, reclaim, searchEveryMs } from "./dead-processes.ts";
import { bareTurns, putBackOpen, type Source } from "./forgetting.ts";
import { readReport, tokensToday, type InboxReport } from "./report.ts";
import { deleteTurns, editTurn, type Revoked } from "./revisions.ts";
import { joinFollowing, type Reopened } from "./together.ts";
import {
  finishTurn,
  markSpeaking,
  putBackTurn,
  storeDraft,
  takeUpTurns,
  type Delay,
  type Draft,
  type Turn,
} from "./turns.ts";
import { asBossDb, jobId, keepAll, queueAnew } from "./keeping.ts";
import { openQueue, queue } from "./queue.ts";

/** Where a message is kept until it has been answered. The job in the queue and the row of the turn change together. */
export interface Inbox extends Component {
  /** Resolves once the message is durable: true, or false when it was known already. */
  keep(envelope: Envelope, priority: Priority): Promise<boolean>;
  /** Keeps several as part of the transaction `tx`, in their order; resolves to how many are new. Call `wake` once it has committed. */
  keepAll(tx: Sql, heard: readonly { readonly envelope: Envelope; readonly priority: Priority }[]): Promise<number>;
  /** Tells those who wait for work in this process that there is some; other processes are told by the transaction. */
  wake(): void;
  /**
   * These messages are gone: what waits is not answered, what is being answered is not spoken, and their words leave the turns. What was to be answered
   * together with them is answered without them (`hasWork`: call `wake` once `tx` has committed).
   */
  deleted(
    tx: Sql,
    messageIds: readonly Snowflake[],
  ): Promise<{
    readonly conversations: readonly Snowflake[];
    readonly revoked: readonly Revoked[];
    readonly hasWork: boolean;
  }>;
  /**
   * A message has new words. One that waits is answered in its new wording, one that is being answered begins anew, and one that was answered a
   * minute ago or less is answered again (both `revoked`, by the first of those that were answered together); older ones only change their words.
   * `isKnown`: there is such a message.
   */
  edited(tx: Sql, envelope: Envelope): Promise<{ readonly isKnown: boolean; readonly revoked: Revoked | null }>;
  /** Puts back what is being answered in these scopes, to be thought of anew; resolves to those to be `revoked` once `tx` has committed. */
  beginAnew(tx: Sql, scopes: readonly Snowflake[]): Promise<readonly Revoked[]>;
  /** Ends what this process does for these messages; call it once the transaction that revoked them has committed. Other processes are told by it. */
  revoked(attempts: readonly Revoked[]): void;
  /** Calls back with every attempt that is no longer wanted, whichever process heard so. */
  onRevoked(listener: (attempts: readonly Revoked[]) => void): void;
  /** Takes up at most `limit` turns, the oldest of each conversation that is not being answered already. */
  take(limit: number): Promise<readonly Turn[]>;
  /** Keeps the draft, if its sources still read so, and remembers that it is about to be shown: one commit, because it always is. */
  saveDraft(turn: Turn, draft: Draft, sources: readonly Source[]): Promise<void>;
  /** Remembers that an older draft, or an apology, is about to be shown. */
  beginSpeaking(turn: Turn): Promise<void>;
  /** Ends the turn as answered, with whatever `also` stores, in one transaction. `isKept` false: what the answer was made from was taken out meanwhile. */
  finish(turn: Turn, receipt: Receipt | null, also: (tx: Sql, isKept: boolean) => Promise<void>): Promise<void>;
  /** Ends the turn without an answer, because a judge said so. */
  ignore(turn: Turn, reason: string, also: (tx: Sql) => Promise<void>): Promise<void>;
  /** Puts the turn back, not to be taken up before its time; resolves to that time, by the clock of Postgres. */
  defer(turn: Turn, delay: Delay): Promise<Date>;
  /** Gives the turn up for good. */
  bury(turn: Turn, error: string, reference: string): Promise<void>;
  /** Tells the queue that these turns are still being worked on. */
  touch(turns: readonly Turn[]): Promise<void>;
  /** What each agent's answers have used since midnight UTC, in tokens. */
  tokensToday(): Promise<ReadonlyMap<string, number>>;
  /** Calls back after every `keep`, in whichever process. */
  onKept(listener: () => void): void;
  report(): Promise<InboxReport>;
}

export interface InboxOptions {
  readonly database: Database;
  readonly notices: Notices;
  /** No other process uses this database, so turns found in progress at the start belong to a dead one. */
  readonly alone: boolean;
  /** False: the queue must be there already. */
  readonly migrates: boolean;
  readonly log: Logger;
}

/** Builds the inbox; nothing is opened. */
export function makeInbox(options: InboxOptions): Inbox {
  const { database, notices } = options;
  const boss = makeBoss(options);
  const listeners: (() => void)[] = [];
  const wake = () => {
    for (const listener of listeners) listener();
  };
  notices.on("kept", wake);
  const keep = async (tx: Sql, heard: Parameters<Inbox["keepAll"]>[1]) => {
    const kept = await keepAll(tx, boss, heard);
    if (kept > 0) await notices.send(tx, "kept");
    return kept;
  };
  const end = (turn: Turn, how: Parameters<typeof finishTurn>[2], also: Parameters<Inbox["finish"]>[2]) =>
    database.transaction(async (tx) => {
      const isKept = await finishTurn(tx, turn, how);
      await boss.complete(queue, attempt(turn), null, { db: asBossDb(tx) });
      await also(tx, isKept);
      if (!turn.remembered) await bareTurns(tx, turn.parts.map(idOf));
    });

  return {
    name: "inbox",
    ...makeLife(boss, options, wake),
    keep: async (envelope, priority) => {
      const kept = await database.transaction((tx) => keep(tx, [{ envelope, priority }]));
      if (kept > 0) wake();
      return kept > 0;
    },
    keepAll: keep,
    wake,
    ...makeRevising(boss, notices),
    take: (limit) => take(database, boss, limit),
    saveDraft: (turn, draft, sources) => storeDraft(database, turn, draft, sources),
    beginSpeaking: (turn) => markSpeaking(database, turn),
    finish: (turn, receipt, also) => end(turn, { state: "answered", error: null, reference: null, receipt }, also),
    ignore: (turn, reason, also) =>
      end(turn, { state: "ignored", error: reason, reference: null, receipt: null }, also),
    bury: (turn, error, reference) => end(turn, { state: "buried", error, reference, receipt: null }, nothing),
    defer: (turn, delay) =>
      database.transaction(async (tx) => {
        const [db, notBefore] = [asBossDb(tx), await putBackTurn(tx, turn, delay)];
        await boss.fail(queue, attempt(turn), { reason: delay.reason }, { db });
        await boss.update(queue, undefined, { id: turn.job.id, startAfter: delay.afterMs / 1_000, db });
        return notBefore;
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
  { database, alone, migrates, log }: InboxOptions,
  wake: () => void,
): Pick<Inbox, "start" | "stop"> & Required<Pick<Inbox, "check">> {
  let searching: NodeJS.Timeout | undefined;
  const stopBoss = () =>
    boss
      .stop({ graceful: false, close: false })
      .catch((error: Error) => log.warn({ err: error }, "inbox did not stop cleanly"));
  return {
    start: async () => {
      // What it had begun ends with it: it may be started again.
      await boss.start().catch(async (error: unknown) => {
        await stopBoss();
        throw error;
      });
      if (migrates) await openQueue(boss, database);
      // Fills the library's cache of queues, which it would otherwise read around a transaction that holds the only connection.
      await boss.touch(queue, [jobId("0")]);
      if (alone) await reclaim(database, boss);
      if (alone) await boss.deleteStoredJobs(queue);
      else searching = setInterval(makeSearch({ database, boss, wake, log }), searchEveryMs).unref();
    },
    stop: async () => {
      clearInterval(searching);
      await stopBoss();
    },
    check: async (): Promise<Check> => {
      const { waiting, buried } = await readReport(database);
      return { status: "healthy", details: { waiting, buried } };
    },
  };
}

/** What becomes of messages that their writers change or take back. */
function makeRevising(
  boss: PgBoss,
  notices: Notices,
): Pick<Inbox, "deleted" | "edited" | "beginAnew" | "revoked" | "onRevoked"> {
  const listeners: ((attempts: readonly Revoked[]) => void)[] = [];
  const revoked = (attempts: readonly Revoked[]) => {
    if (attempts.length > 0) for (const listener of listeners) listener(attempts);
  };
  notices.on("revoked", (words) => revoked((words ?? []).map(readRevoked)));
  const tell = async (tx: Sql, attempts: readonly Revoked[]) => {
    for (let from = 0; from < attempts.length; from += mostInNotice)
      await notices.send(tx, "revoked", attempts.slice(from, from + mostInNotice).map(writeRevoked));
  };
  return {
    deleted: async (tx, messageIds) => {
      const { gone, anew, waiting } = await deleteTurns(tx, messageIds);
      const open = gone.filter((one) => one.wasOpen);
      if (open.length > 0) await boss.deleteJob(queue, open.map(idOf).map(jobId), { db: asBossDb(tx) });
      await queueAnew(tx, boss, [...anew, ...waiting]);
      const unwanted = [...open, ...anew.map(asRevoked)];
      await tell(tx, unwanted);
      const conversations = [...new Set(gone.map((one) => one.conversationId))];
      return { conversations, revoked: unwanted, hasWork: anew.length + waiting.length > 0 };
    },
    edited: async (tx, envelope) => {
      const { isKnown, anew } = await editTurn(tx, envelope);
      if (anew === null) return { isKnown, revoked: null };
      const unwanted = asRevoked(anew);
      await tell(tx, [unwanted]);
      await queueAnew(tx, boss, [anew]);
      return { isKnown, revoked: unwanted };
    },
    beginAnew: async (tx, scopes) => {
      const open = await putBackOpen(tx, scopes);
      await queueAnew(tx, boss, open);
      const unwanted = open.map(asRevoked);
      await tell(tx, unwanted);
      return unwanted;
    },
    revoked,
    onRevoked: (listener) => listeners.push(listener),
  };
}

function asRevoked({ messageId, conversationId, attempts }: Reopened): Revoked {
  return { messageId, conversationId, attempts, isGone: false };
}

/** Each is at most 70 characters long, and a notice 8,000. */
const mostInNotice = 100;

function writeRevoked({ messageId, conversationId, attempts, isGone }: Revoked): string {
  return [messageId, conversationId, attempts, isGone ? "gone" : "anew"].join(":");
}

function readRevoked(word: string): Revoked {
  const [messageId = "0", conversationId = "0", attempts, fate] = word.split(":");
  return { messageId, conversationId, attempts: Number(attempts), isGone: fate === "gone" };
}

function makeBoss({ database, alone, migrates, log }: InboxOptions): PgBoss {
  const boss = new PgBoss({
    db: { executeSql: (text, values) => asBossDb(database).executeSql(text, values).catch(admitTheRace) },
    backend: alone ? "pglite" : "postgres",
    schedule: false,
    migrate: migrates,
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

/** A guild that is answered in so many lanes, in all processes together, comes after those that are in fewer. */
const lanesOfOneGuild = 2;

const nothing = async () => {};
const idOf = ({ messageId }: { readonly messageId: Snowflake }) => messageId;

/** pg-boss's identity of one attempt: a stale one completes and fails nothing. */
function attempt(turn: Turn): { id: string; retryCount: number } {
  return { id: turn.job.id, retryCount: turn.job.retryCount };
}

async function take(database: Database, boss: PgBoss, limit: number): Promise<readonly Turn[]> {
  return database.transaction(async (tx) => {
    const db = asBossDb(tx);
    const fetch = (fairly: FetchGroupConcurrencyOptions) =>
      boss.fetch<{ messageId: Snowflake }>(queue, { batchSize: limit, includeMetadata: true, db, ...fairly });
    const fair = await fetch({ groupConcurrency: lanesOfOneGuild });
    // What nobody else wants a busy guild may have.
    const jobs = fair.length > 0 ? fair : await fetch({});
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
