import { startWatched, type Watched } from "../failure/process.ts";

/** A moment in the life of one of the processes. */
interface Moment {
  readonly at: number;
  readonly bot: number;
  readonly what: "start" | "ready" | "end" | NodeJS.Signals;
}

/** One line that a process has logged. */
interface LogLine {
  readonly bot: number;
  readonly pid: number;
  readonly line: Readonly<Record<string, unknown>>;
}

/** Processes of one bot on one database, which take over from each other. */
export interface Fleet {
  readonly moments: readonly Moment[];
  /** Resolves when it has ended; it is started again after `awayMs`. A process that is away already is left alone. */
  kill(bot: number, signal: NodeJS.Signals, awayMs: number): Promise<void>;
  /** What all of them have logged, in the order of the time. */
  logs(): readonly LogLine[];
  /** Lets them finish, and resolves to their exit codes. */
  stop(): Promise<readonly (number | null)[]>;
  /** Ends them at once. */
  abandon(): Promise<void>;
}

/** Starts them, and resolves when all are ready; `homes` are their data folders. */
export async function startFleet(
  homes: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Fleet> {
  const moments: Moment[] = [];
  const lives: { readonly bot: number; readonly life: Watched }[] = [];
  const current: (Watched | null)[] = homes.map(() => null);
  const note = (bot: number, what: Moment["what"]) => moments.push({ at: Date.now(), bot, what });
  let isOver = false;

  const start = async (bot: number): Promise<void> => {
    note(bot, "start");
    const life = await startWatched(homes[bot] ?? "", env, []);
    lives.push({ bot, life });
    current[bot] = life;
    void life.exited.then(() => note(bot, "end"));
    if (isOver) life.kill("SIGKILL");
    if (await untilReady(life, signal)) note(bot, "ready");
  };
  const returning: Promise<void>[] = [];

  await Promise.all(homes.map((_, bot) => start(bot)));
  return {
    moments,
    kill: async (bot, how, awayMs) => {
      const life = current[bot];
      if (life === null || life === undefined) return;
      current[bot] = null;
      note(bot, how);
      life.kill(how);
      await life.exited;
      if (isOver) return;
      await pause(awayMs);
      if (!isOver) returning.push(start(bot));
    },
    logs: () =>
      lives
        .flatMap(({ bot, life }) => life.log.map((line) => ({ bot, pid: life.pid, line })))
        .toSorted((a, b) => String(a.line["time"]).localeCompare(String(b.line["time"]))),
    stop: async () => {
      isOver = true;
      await Promise.allSettled(returning);
      const alive = current.filter((life) => life !== null);
      for (const life of alive) life.kill("SIGTERM");
      return Promise.all(alive.map((life) => life.exited));
    },
    abandon: async () => {
      isOver = true;
      for (const { life } of lives) life.kill("SIGKILL");
      await Promise.all(lives.map(({ life }) => life.exited));
    },
  };
}

/** Resolves to false when it ended before. */
async function untilReady(life: Watched, signal: AbortSignal): Promise<boolean> {
  let ended = false;
  void life.exited.then(() => {
    ended = true;
  });
  while (!ended && !signal.aborted) {
    const isReady = await life.get("/health/ready").then(
      ({ status }) => status === 200,
      () => false,
    );
    if (isReady) return true;
    await pause(50);
  }
  return false;
}

/** Lets time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
