import type { Database } from "../connections/postgres.ts";
import { isUnauthorized } from "../discord/failures.ts";
import { asError, ForeseenError, mayPass } from "../errors.ts";
import type { Logger } from "../log.ts";
import { pause } from "../resilience/policies.ts";

/** What Discord says about beginning sessions. */
export interface SessionStartLimit {
  readonly total: number;
  readonly remaining: number;
  readonly resetAfterMs: number;
  readonly maxConcurrency: number;
}

/** Discord allows one IDENTIFY in 5 s for each `shard % max_concurrency`; the rest is for the way there. */
const everyMs = 5_250;
/** Below this share of the day's budget none is begun any more: at zero Discord would reset the token. */
const reserveShare = 0.05;
const mostReserved = 50;

/**
 * Lets one IDENTIFY through at a time, for all processes on this database together. `ask` waits for its turn and notes it. It throws
 * `discord_identify_budget` when the day's budget is nearly used up.
 */
export function makeIdentifyThrottle(
  database: Database,
  readLimit: (signal: AbortSignal) => Promise<SessionStartLimit>,
) {
  const attempt = (bucket: number): Promise<number> =>
    database.transaction(async (tx) => {
      await tx.query("select pg_advisory_xact_lock(727003)");
      const [last] = await tx.query<{ ms: number | null }>(
        "select extract(epoch from now() - max(at))::float8 * 1000 as ms from identifies where bucket = $1",
        [bucket],
      );
      const waitMs = last?.ms === null || last === undefined ? 0 : Math.ceil(everyMs - last.ms);
      if (waitMs > 0) return waitMs;
      await tx.query("insert into identifies (bucket) values ($1)", [bucket]);
      await tx.query("delete from identifies where at < now() - interval '1 day'");
      return 0;
    });
  return {
    async ask(shard: number, signal: AbortSignal): Promise<void> {
      const { total, remaining, resetAfterMs, maxConcurrency } = await readLimit(signal);
      if (remaining <= Math.min(mostReserved, Math.floor(total * reserveShare))) {
        const hours = Math.ceil(resetAfterMs / 3_600_000);
        throw new ForeseenError(
          "discord_identify_budget",
          `Discord allows ${total} new sessions a day and ${remaining} are left: none is begun until it allows new ones, in ${hours} h`,
          { kind: "bury" },
        );
      }
      for (let waitMs = -1; waitMs !== 0;) {
        waitMs = await attempt(shard % maxConcurrency);
        if (waitMs > 0) await pause(waitMs, signal);
      }
    },
  };
}

const firstBackoffMs = 1_000;
const longestBackoffMs = 60_000;

/** How long to wait after so many failures in a row: 1 s doubled each time, at most a minute, half of it by chance. */
export function backoffMs(failures: number): number {
  const most = Math.min(longestBackoffMs, firstBackoffMs * 2 ** (failures - 1));
  return Math.round(most * (0.5 + Math.random() / 2));
}

/**
 * Asks until it is granted: an incident at Discord, a database that is being replaced and, for a bot that is at work, a day's budget that is used up all
 * pass. Rejects with what does not pass, and with the signal's reason.
 */
export async function untilGranted(
  ask: (signal: AbortSignal) => Promise<void>,
  options: { readonly isAtWork: () => boolean; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await ask(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!passes(asError(error), options.isAtWork())) throw error;
      const waitMs = backoffMs(failures);
      const reason = asError(error).message;
      options.log.warn({ failures, waitMs, reason }, "a new session may not begin yet");
      await pause(waitMs, signal);
    }
  }
}

function passes(error: Error, isAtWork: boolean): boolean {
  if (!(error instanceof ForeseenError)) return true;
  if (error.code === "discord_identify_budget") return isAtWork;
  return mayPass(error) && !isUnauthorized(error);
}
