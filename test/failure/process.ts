import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { program, startBot, surroundings, type Bot } from "./bot.ts";

/** What is left of the product after it ran to its end. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines of standard error, the empty ones left out. */
  readonly stderr: readonly string[];
}

/** Runs the product with nothing on its input; its environment is `env` and nothing of this process. */
export async function runToEnd(
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd,
    env: { ...surroundings(cwd), ...env },
  });
  // A process that refuses to start does not read.
  child.stdin.on("error", () => {});
  child.stdin.end();
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: code as number | null, stdout, stderr: stderr.split("\n").filter((line) => line !== "") };
}

/** A running product and its health API. */
export interface Watched extends Bot {
  /** Asks the health API; rejects as long as nobody listens. */
  get(path: string, init?: RequestInit): Promise<Response>;
  status(): Promise<Status>;
  metrics(): Promise<Metrics>;
}

/** How a part of the process says in `/health` that it is. */
interface Part {
  readonly status: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Asks the health API of a process for one of its parts. */
export async function partOf(one: Watched, part: string): Promise<Part | undefined> {
  const { components } = (await (await one.get("/health")).json()) as { components: Record<string, Part> };
  return components[part];
}

/** The part of `/status` that these tests read. */
interface Status {
  readonly circuit_breakers: Readonly<Record<string, { readonly state: string; readonly failure_count: number }>>;
  readonly inbox: {
    readonly waiting: number;
    readonly oldestWaitingSeconds: number;
    readonly buried: number;
    readonly lastBuried: readonly { readonly reference: string; readonly error: string }[];
  };
}

/** Samples of `/metrics`. */
interface Metrics {
  readonly text: string;
  /** The sum of the samples of this name whose labels have these values; null when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | null;
}

/** Starts the product as `startBot` does, its health API on whatever port is free then. */
export function startWatched(
  data: string,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = ["--json"],
  nodeArgs?: readonly string[],
): Watched {
  const bot = startBot(data, env, flags, nodeArgs);
  // A port chosen here could be the local end of somebody's connection by the time the bot wants it.
  const get = async (path: string, init?: RequestInit) => {
    const origin = bot.log.map((line) => line["listening"]).find((url) => typeof url === "string");
    if (origin === undefined) throw new Error("the bot has not said where its health API listens");
    return await fetch(`${origin}${path}`, init);
  };
  return {
    ...bot,
    get,
    status: async () => (await (await get("/status")).json()) as Status,
    metrics: async () => readMetrics(await (await get("/metrics")).text()),
  };
}

function readMetrics(body: string): Metrics {
  const samples = [...body.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = "", value]) => ({
    name,
    labels: new Map([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, given]) => [label, given])),
    value: Number(value),
  }));
  return {
    text: body,
    value: (name, labels = {}) => {
      const found = samples.filter(
        (one) =>
          one.name === name && Object.entries(labels).every(([label, wanted]) => one.labels.get(label) === wanted),
      );
      return found.length === 0 ? null : found.reduce((sum, one) => sum + one.value, 0);
    },
  };
}
