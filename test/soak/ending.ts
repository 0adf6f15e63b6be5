import { administer } from "../servers/postgres.ts";
import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import { pause } from "./crew.ts";
import { countRight, readAnswers, type IsRight } from "./verdict.ts";

/** Nothing was answered for this long: what is missing is lost. */
const standstillMs = 120_000;

/** Where a soak happens, and what its answers are. */
interface Watching {
  readonly simulator: DiscordSimulator;
  readonly channels: readonly string[];
  readonly wanted: number;
  readonly isRight: IsRight;
  /** Of the database. */
  readonly url: string;
}

/** Resolves when all is answered and the inbox is empty, or when nothing has changed for long. */
export async function untilAnswered({ simulator, channels, wanted, isRight, url }: Watching): Promise<void> {
  await untilStill(async () => wanted - countRight(readAnswers(simulator, channels), isRight));
  await untilStill(async () => (await readBooks(url)).queued);
}

async function untilStill(left: () => Promise<number>): Promise<void> {
  let before = -1;
  let since = Date.now();
  for (;;) {
    const now = await left();
    if (now <= 0) return;
    if (now !== before) [before, since] = [now, Date.now()];
    if (Date.now() - since > standstillMs) return;
    await pause(500);
  }
}

/** What the database says in the end. */
interface Books {
  /** Addressed messages that are `answered`. */
  readonly answered: ReadonlySet<string>;
  /** What is in the inbox still, as a turn or as a job of the queue. */
  readonly queued: number;
}

/** Reads them. */
export async function readBooks(url: string): Promise<Books> {
  const answered = await administer<{ message_id: string }>(
    url,
    "select message_id::text from turns where addressed and state = 'answered'",
  );
  const open = await administer<{ message_id: string }>(
    url,
    `select message_id::text from turns where state in ('waiting', 'answering', 'drafted')
     union select id::text from pgboss.job where name = 'inbox' and state < 'completed'`,
  );
  return { answered: new Set(answered.map((row) => row.message_id)), queued: open.length };
}
