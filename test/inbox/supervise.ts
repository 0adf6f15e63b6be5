import { PgBoss } from "pg-boss";
import type { Database } from "../../src/connections/postgres.ts";

/** What the queue's own supervision does once a minute, in whichever process. */
export async function supervise(database: Database): Promise<void> {
  await database.query("update pgboss.queue set monitor_claim_on = null, monitor_on = null");
  const db = { executeSql: async (text: string, values?: unknown[]) => ({ rows: await database.query(text, values) }) };
  const boss = new PgBoss({ db, supervise: false, schedule: false });
  await boss.start();
  await boss.supervise("inbox");
  await boss.stop({ graceful: false, close: false });
}
