import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "..", "..");

/**
 * What Node is told to run. In a test run that is the product as it is shipped, whose start costs half of what the sources' does; and no test lives
 * so long that it would gain from WebAssembly which is compiled a second time, for speed.
 */
export const program: readonly string[] =
  process.env["TEST_SERVERS_FOLDER"] === undefined
    ? [join(root, "src", "main.ts")]
    : ["--liftoff-only", await (await import("../servers/shared.ts")).compiledProgram()];

/** One answer as `--json` prints it. */
export interface Answer {
  readonly messageId: string;
  readonly agent: string | null;
  readonly text: string;
  readonly memories: readonly { readonly id: string; readonly score: number }[];
  readonly model: string | null;
  readonly promptRevision: string | null;
  readonly tokens: Readonly<Record<string, number>>;
  readonly stageMs: Readonly<Record<string, number>>;
  readonly redelivered: boolean;
}

/** The real product in a process of its own, piped. */
export interface Bot {
  readonly pid: number;
  readonly answers: readonly Answer[];
  /** Parsed lines of standard error. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** Standard error as it came. */
  errors(): string;
  say(...lines: readonly string[]): void;
  /** No more lines will come. */
  end(): void;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the exit code, or null after a kill. */
  readonly exited: Promise<number | null>;
}

/** The environment of a process of the product that nothing of this process's reaches; within a test run all share what Node has compiled. */
export function surroundings(home: string): Readonly<Record<string, string>> {
  const { PATH = "", TEST_SERVERS_FOLDER: run } = process.env;
  const compiled = run === undefined ? {} : { NODE_COMPILE_CACHE: join(run, "compiled") };
  return { PATH, HOME: home, HEALTH_CHECK_PORT: "0", ...compiled };
}

/** Starts the product on a data folder; its environment is `env` and nothing of this process; `nodeArgs` is what Node is told to run. */
export function startBot(
  data: string,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = ["--json"],
  nodeArgs: readonly string[] = program,
): Bot {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [...nodeArgs, "--data", data, ...flags], {
    cwd: root,
    env: { ...surroundings(data), ...env },
  });
  const answers: Answer[] = [];
  const log: Record<string, unknown>[] = [];
  let errors = "";
  createInterface({ input: child.stdout }).on("line", (line) => answers.push(JSON.parse(line) as Answer));
  createInterface({ input: child.stderr }).on("line", (line) => {
    errors += `${line}\n`;
    if (line.startsWith("{")) log.push(JSON.parse(line) as Record<string, unknown>);
  });
  // A process that was killed does not read on.
  child.stdin.on("error", () => {});
  const exited = once(child, "close").then(([code]) => code as number | null);
  return {
    pid: child.pid ?? 0,
    answers,
    log,
    errors: () => errors,
    say: (...lines) => void child.stdin.write(lines.map((line) => `${line}\n`).join("")),
    end: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    exited,
  };
}
