import { startWatched, type Watched } from "../failure/process.ts";

/** A moment in the life of one of the processes. */
interface Moment {
  readonly at: number;
  readonly bot: number;
  readonly what: "start" | "ready" | `ended with ${number | null}` | NodeJS.Signals;
}

/** One line that a process has logged. */
interface LogLine {
  readonly bot: number;
  readonly pid: number;
  readonly line: Readonly<Record<string, unknown>>;
}

/** A process that ended otherwise than it should; `said` is its last complaint. */
interface Crash {
  readonly bot: number;
  /** Null: nobody had told it to end. */
  readonly told: NodeJS.Signals | null;
  readonly code: number | null;
  readonly said: string;
}

/** What a process is started with. */
export interface Post {
  /** Its data folder. */
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Processes of one bot on one database, each of which is started again whenever it ends. */
export interface Crew {
  readonly moments: readonly Moment[];
  /** Those that ended although nobody had told them to, or with another code than 0 when they were told by anything but SIGKILL. */
  readonly crashes: readonly Crash[];
  /** Resolves when it has ended; it is started again after `awayMs`. Where it is away or paused already it is the next one that is there, or the first that comes back. */
  kill(bot: number, signal: NodeJS.Signals, awayMs: number): Promise<void>;
  /** Stops one, chosen as `kill` does, in the middle of what it does, and lets it go on after `forMs`. */
  pause(bot: number, forMs: number): Promise<void>;
  /** What all of them have logged, in the order of the time. */
  logs(): readonly LogLine[];
  /** Lets them finish, and resolves when they have ended. */
  stop(): Promise<void>;
  /** Ends them at once. */
  abandon(): Promise<void>;
}

/** What an orchestrator waits before it starts again what ended by itself. */
const restartMs = 500;

/** Starts them, and resolves when all are ready. */
export async function startCrew(posts: readonly Post[], signal: AbortSignal): Promise<Crew> {
  const crew = new Processes(posts, signal);
  await Promise.all(posts.map((_, bot) => crew.start(bot)));
  return crew;
}

class Processes implements Crew {
  readonly moments: Moment[] = [];
  readonly crashes: Crash[] = [];
  readonly #posts: readonly Post[];
  readonly #signal: AbortSignal;
  readonly #told = new Map<Watched, NodeJS.Signals>();
  readonly #lives: { readonly bot: number; readonly life: Watched }[] = [];
  readonly #current: (Watched | null)[];
  readonly #returning: Promise<void>[] = [];
  #isOver = false;

  constructor(posts: readonly Post[], signal: AbortSignal) {
    this.#posts = posts;
    this.#signal = signal;
    this.#current = posts.map(() => null);
  }

  async start(bot: number): Promise<void> {
    const { home = "", env = {} } = this.#posts[bot] ?? {};
    this.#note(bot, "start");
    const life = startWatched(home, env, []);
    this.#lives.push({ bot, life });
    this.#current[bot] = life;
    void life.exited.then((code) => this.#ended(bot, life, code));
    if (this.#isOver) this.#tell(life, "SIGKILL");
    if (await untilReady(life, this.#signal)) this.#note(bot, "ready");
  }

  async kill(wanted: number, how: NodeJS.Signals, awayMs: number): Promise<void> {
    const { bot, life } = await this.#dismiss(wanted);
    this.#note(bot, how);
    this.#tell(life, how);
    await life.exited;
    this.#comeBack(bot, awayMs);
  }

  async pause(wanted: number, forMs: number): Promise<void> {
    const { bot, life } = await this.#dismiss(wanted);
    this.#note(bot, "SIGSTOP");
    life.kill("SIGSTOP");
    await pause(forMs);
    this.#note(bot, "SIGCONT");
    this.#current[bot] = life;
    life.kill("SIGCONT");
  }

  logs(): readonly LogLine[] {
    return this.#lives
      .flatMap(({ bot, life }) => life.log.map((line) => ({ bot, pid: life.pid, line })))
      .toSorted((a, b) => String(a.line["time"]).localeCompare(String(b.line["time"])));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#returning);
    const alive = this.#current.filter((life) => life !== null);
    for (const life of alive) this.#tell(life, "SIGTERM");
    await Promise.all(alive.map((life) => life.exited));
  }

  async abandon(): Promise<void> {
    this.#isOver = true;
    for (const { life } of this.#lives) this.#tell(life, "SIGKILL");
    await Promise.all(this.#lives.map(({ life }) => life.exited));
  }

  async #dismiss(wanted: number): Promise<{ bot: number; life: Watched }> {
    for (;;) {
      const bot = nextThere(this.#current, wanted);
      const life = bot === null ? null : (this.#current[bot] ?? null);
      if (bot !== null && life !== null) {
        this.#current[bot] = null;
        return { bot, life };
      }
      await pause(50);
    }
  }

  #tell(life: Watched, how: NodeJS.Signals): void {
    this.#told.set(life, how);
    life.kill(how);
  }

  #ended(bot: number, life: Watched, code: number | null): void {
    this.#note(bot, `ended with ${code}`);
    const told = this.#told.get(life) ?? null;
    // Node itself was still starting: nobody was there yet to hear the signal.
    const wasDeaf = code === null && life.log.length === 0;
    if (told === "SIGKILL" || (told !== null && (code === 0 || wasDeaf))) return;
    const last = life.log.findLast(({ level }) => level === "fatal" || level === "error");
    this.crashes.push({ bot, told, code, said: last === undefined ? life.errors().slice(-500) : JSON.stringify(last) });
    if (this.#isOver || this.#current[bot] !== life) return;
    this.#current[bot] = null;
    this.#comeBack(bot, restartMs);
  }

  #comeBack(bot: number, afterMs: number): void {
    if (this.#isOver) return;
    this.#returning.push(
      pause(afterMs).then(async () => {
        if (!this.#isOver) await this.start(bot);
      }),
    );
  }

  #note(bot: number, what: Moment["what"]): void {
    this.moments.push({ at: Date.now(), bot, what });
  }
}

/** How many errors nobody had caught, and how many processes ended otherwise than they should. */
export function countUnhandled(crew: Crew): number {
  const uncaught = crew.logs().filter(({ line }) => /nobody caught this/.test(String(line["msg"])));
  return uncaught.length + crew.crashes.length;
}

/** The one that is wanted or, where it is away (null), the next that is there; null: none is. */
export function nextThere(current: readonly (object | null)[], wanted: number): number | null {
  const order = current.map((_, step) => (wanted + step) % current.length);
  return order.find((bot) => current[bot] !== null) ?? null;
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
