import type { PgBoss } from "pg-boss";
import type { Database } from "../connections/postgres.ts";
import type { Logger } from "../log.ts";
import { queue } from "./queue.ts";

/** How often processes look for others that died. */
export const searchEveryMs = 2_500;
/** A consumer touches its turns every 2.5 s. */
const deadAfterSeconds = 7.5;

/**
 * Puts back the turns of processes that died, ten seconds after their last sign of life; the library's own supervision takes a minute or two. What
 * is silent has to be so in two looks: after an outage of Postgres everybody is, until they have touched theirs.
 */
export function makeSearch(options: { database: Database; boss: PgBoss; wake: () => void; log: Logger }): () => void {
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

/** Puts back everything that is being answered: nobody else uses this database. */
export async function reclaim(database: Database, boss: PgBoss): Promise<void> {
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
