import type { PgBoss } from "pg-boss";
import type { Sql } from "../connections/postgres.ts";

/** The one queue of the product. */
export const queue = "inbox";

/** Seconds that a turn may take at most, whatever is configured. */
export const longestTurnSeconds = 5_400;

/** Who is silent for `heartbeatSeconds` is dead; who is not may take `longestTurnSeconds`, and some time to be stored. */
const terms = { retryLimit: 1_000_000, heartbeatSeconds: 60, expireInSeconds: longestTurnSeconds + 1_800 };

/** Makes the queue, or brings to its terms the one that an older release has made; each job has its own copy of when it expires. */
export async function openQueue(boss: PgBoss, database: Sql): Promise<void> {
  await boss.createQueue(queue, { policy: "key_strict_fifo", ...terms });
  await boss.updateQueue(queue, terms);
  await database.query(
    "update pgboss.job set expire_seconds = $2 where name = $1 and state < 'completed' and expire_seconds < $2",
    [queue, terms.expireInSeconds],
  );
}
