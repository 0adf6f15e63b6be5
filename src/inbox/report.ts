import type { Sql } from "../connections/postgres.ts";

/** How full the inbox is. */
export interface InboxReport {
  readonly waiting: number;
  readonly oldestWaitingSeconds: number;
  /** How many of them were put back because the model's limit is used up. */
  readonly shortOfQuota: number;
  /** How many wait, or were given up in the last minute, because the model did not answer. */
  readonly withoutModel: number;
  readonly buried: number;
  /** The latest few, newest first: what went wrong and the reference the person was given. */
  readonly lastBuried: readonly { readonly reference: string; readonly error: string; readonly at: string }[];
}

/** Of a turn's last attempt. */
const isWithoutModel = "error like 'model_unavailable%'";

/** Reads how full it is. */
export async function readReport(sql: Sql): Promise<InboxReport> {
  const [counts] = await sql.query<{ waiting: number; oldest: number | null; short: number; failed: number }>(
    `select count(*)::int as waiting, extract(epoch from now() - min(received_at))::float8 as oldest,
       count(*) filter (where state = 'waiting' and not_before > now() and error like 'model_quota%')::int as short,
       count(*) filter (where state <> 'drafted' and ${isWithoutModel})::int as failed
     from turns where state in ('waiting', 'answering', 'drafted')`,
  );
  const [buried] = await sql.query<{ n: number; lately: number }>(
    `select count(*)::int as n, (
       select count(*)::int from turns where state = 'buried' and finished_at > now() - interval '1 minute' and ${isWithoutModel}) as lately
     from turns where state = 'buried'`,
  );
  const last = await sql.query<{ error_reference: string; error: string; finished_at: Date }>(
    `select error_reference, error, finished_at from turns where state = 'buried' order by finished_at desc limit 5`,
  );
  return {
    waiting: counts?.waiting ?? 0,
    oldestWaitingSeconds: Math.max(0, counts?.oldest ?? 0),
    shortOfQuota: counts?.short ?? 0,
    withoutModel: (counts?.failed ?? 0) + (buried?.lately ?? 0),
    buried: buried?.n ?? 0,
    lastBuried: last.map((row) => ({
      reference: row.error_reference,
      error: row.error,
      at: row.finished_at.toISOString(),
    })),
  };
}

/** What each agent's answers have used since midnight UTC, in tokens. */
export async function tokensToday(sql: Sql): Promise<ReadonlyMap<string, number>> {
  const rows = await sql.query<{ agent: string; tokens: number }>(
    `select agent, sum((receipt->'tokens'->>'inputTokens')::float8 + (receipt->'tokens'->>'outputTokens')::float8) as tokens
     from turns where finished_at >= date_trunc('day', now(), 'UTC') and state = 'answered' and receipt is not null group by agent`,
  );
  return new Map(rows.map((row) => [row.agent, row.tokens]));
}
