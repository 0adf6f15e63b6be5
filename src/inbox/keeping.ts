import type { Db, PgBoss } from "pg-boss";
import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Priority, Snowflake } from "../envelope.ts";
import { queue } from "./queue.ts";
import { insertTurns } from "./turns.ts";

const priorities: Readonly<Record<Priority, number>> = { mention: 30, reply: 20, ambient: 10, background: 0 };

/** Lets pg-boss work inside our transactions. */
export function asBossDb(sql: Sql): Db {
  return { executeSql: async (text, values) => ({ rows: await sql.query(text, values) }) };
}

/** Ordered like the message ids, because two jobs can share a timestamp and then order by their id. */
export function jobId(messageId: Snowflake): string {
  const hex = BigInt(messageId).toString(16).padStart(16, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-8000-000000000000`;
}

/** Keeps messages with their jobs; resolves to how many are new. */
export async function keepAll(
  tx: Sql,
  boss: PgBoss,
  heard: readonly { readonly envelope: Envelope; readonly priority: Priority }[],
): Promise<number> {
  const added = await insertTurns(tx, heard);
  // What was said twice at once is added once, but pg-boss refuses a batch that names a job twice.
  const once = new Map(heard.map((one) => [one.envelope.messageId, one]));
  const jobs = [...once.values()]
    .filter(({ envelope }) => added.has(envelope.messageId))
    .map(({ envelope, priority }) => jobOf(envelope, priority));
  if (jobs.length > 0) await boss.insert(queue, jobs, { db: asBossDb(tx) });
  const calls = heard.filter(({ envelope, priority }) => priority === "mention" && added.has(envelope.messageId));
  await flush(
    tx,
    calls.map(({ envelope }) => envelope),
  );
  return jobs.length;
}

/** How long more of a message is waited for that does not call the bot by name. */
const debounceSeconds = 2;

/** The job of a message. Its conversation keeps its order, and its guild (or the conversation that is in none) its share of the lanes. */
function jobOf(
  { messageId, conversationId, guildId }: Pick<Envelope, "messageId" | "conversationId" | "guildId">,
  priority: Priority,
) {
  const job = {
    id: jobId(messageId),
    data: { messageId },
    singletonKey: conversationId,
    group: { id: guildId ?? conversationId },
    priority: priorities[priority],
  };
  return priority === "reply" ? { ...job, startAfter: debounceSeconds } : job;
}

/** Gives turns that are answered anew, or at last, jobs of their own, to be taken up at once, and before what follows them in their conversation. */
export async function queueAnew(
  tx: Sql,
  boss: PgBoss,
  turns: readonly Pick<Envelope, "messageId" | "conversationId" | "guildId">[],
): Promise<void> {
  if (turns.length === 0) return;
  const jobs = turns.map((turn) => jobOf(turn, "mention"));
  const ids = jobs.map(({ id }) => id);
  await boss.deleteJob(queue, ids, { db: asBossDb(tx) });
  await boss.insert(queue, jobs, { db: asBossDb(tx) });
  // pg-boss dates them now, behind all that waits; of two that share a date the older message comes first.
  await tx.query(
    `update pgboss.job anew set created_on = least(created_on, (
       select min(created_on) from pgboss.job later where later.name = anew.name and later.singleton_key = anew.singleton_key
         and later.policy = 'key_strict_fifo' and later.state < 'active' and not later.blocked and later.id > anew.id))
     where name = $1 and id = any($2::uuid[])`,
    [queue, ids],
  );
  await flush(tx, turns);
}

/** What was written before these, which are to be taken up at once, is no longer held back: they would be answered before it. */
async function flush(tx: Sql, turns: readonly Pick<Envelope, "messageId" | "conversationId">[]): Promise<void> {
  if (turns.length === 0) return;
  const held = await tx.query<{ message_id: Snowflake }>(
    `select message_id from turns where state = 'waiting' and priority = 'reply' and attempts = 0 and exists (
       select from unnest($1::bigint[], $2::bigint[]) as called (conversation, message)
       where conversation_id = conversation and message_id < message)`,
    [turns.map(({ conversationId }) => conversationId), turns.map(({ messageId }) => messageId)],
  );
  if (held.length === 0) return;
  // One that is locked is being taken up: to wait for whoever does so could be to wait for each other.
  await tx.query(
    `update pgboss.job set start_after = now() where name = $1 and id in (
       select id from pgboss.job where name = $1 and id = any($2::uuid[]) and state < 'active' for update skip locked)`,
    [queue, held.map((row) => jobId(row.message_id))],
  );
}
