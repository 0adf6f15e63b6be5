import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { onPath } from "./packages.ts";

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A new folder for a server's data. It goes with the test run, if the test does not come to its end. */
export function makeServerFolder(): Promise<string> {
  return mkdtemp(join(process.env["TEST_SERVERS_FOLDER"] ?? tmpdir(), "discord-agent-server-"));
}

/** The user `nobody` and its group, on every Linux. */
export const nobody = 65_534;

/** What a server is started with. */
interface Recipe {
  readonly command: string;
  readonly args: readonly string[];
  /** What it writes when it can be used. */
  readonly ready: RegExp;
  readonly asNobody: boolean;
}

/** A server of one test's own, for whatever may be done to it. */
export interface OwnServer {
  readonly port: number;
  /** Shuts it down in order. */
  stop(): Promise<void>;
  /** Ends it as a power failure would. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with what it had on disk. */
  start(): Promise<void>;
  /** Holds it in the middle of what it does: connections stay, answers do not come. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

/** Starts the server that `recipe` says on a free port; `folder` is what it keeps things in. */
export async function openServer(
  folder: string,
  stopSignal: NodeJS.Signals,
  recipe: (port: number) => Recipe,
): Promise<OwnServer> {
  const first = await startAtAFreePort(recipe);
  const { port } = first;
  let running: ServerProcess | null = first.server;
  const end = async (how: (server: ServerProcess) => Promise<void>) => {
    const server = running;
    running = null;
    if (server !== null) await how(server);
  };
  return {
    port,
    stop: () => end((server) => server.end(stopSignal)),
    kill: () => end((server) => server.kill()),
    start: async () => {
      running ??= await startServerProcess(recipe(port));
    },
    freeze: async () => running?.signal("SIGSTOP"),
    thaw: async () => running?.signal("SIGCONT"),
    close: async () => {
      await end((server) => server.kill());
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Somebody else may take the port between the moment it was found free and the server's start. */
async function startAtAFreePort(recipe: (port: number) => Recipe): Promise<{ port: number; server: ServerProcess }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return { port, server: await startServerProcess(recipe(port)) };
    } catch (error) {
      if (attempt === 3 || !/in use/i.test(String(error))) throw error;
    }
  }
}

interface ServerProcess {
  /** Asks it to end by this signal, and resolves when it has. */
  end(signal: NodeJS.Signals): Promise<void>;
  kill(): Promise<void>;
  /** Sends a signal to it and then to all its children. */
  signal(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Starts a server and resolves when it is ready. On Linux it dies with this process, however this one ends, so that no test run
 * leaves one behind.
 */
async function startServerProcess({ command, args, ready, asNobody }: Recipe): Promise<ServerProcess> {
  const mortal = process.platform === "linux" && onPath("setpriv") !== null;
  const [program = "", ...rest] = [...(mortal ? ["setpriv", "--pdeathsig", "QUIT"] : []), command, ...args];
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
    ...(asNobody ? { uid: nobody, gid: nobody } : {}),
  });
  const exited = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  await readiness(child, ready);
  const pid = child.pid ?? 0;
  return {
    end: async (signal) => {
      child.kill(signal);
      await exited;
    },
    kill: async () => {
      // Frozen, and killed last: a server that outlives its children for a moment starts others, and they tell why it went if it goes first.
      send(pid, "SIGSTOP");
      const children = await childrenOf(pid);
      for (const one of [...children, pid]) send(one, "SIGKILL");
      await exited;
      // What they shared is free when all have gone.
      while ((await Promise.all(children.map(isRunning))).includes(true)) await setTimeout(5);
    },
    signal: async (signal) => {
      send(pid, signal);
      for (const one of await childrenOf(pid)) send(one, signal);
    },
  };
}

async function readiness(child: ChildProcess, ready: RegExp): Promise<void> {
  let written = "";
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      written = (written + String(chunk)).slice(-4_000);
      if (ready.test(written)) resolve();
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`it ended with code ${code}: ${written}`)));
  });
}

/** Children are asked of the system, because a server's own are in no process group of ours. */
async function childrenOf(pid: number): Promise<number[]> {
  const processes = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(processes.map(async (one) => (await statusOf(one))?.parent));
  return processes.filter((_, i) => parents[i] === pid);
}

async function isRunning(pid: number): Promise<boolean> {
  const status = await statusOf(pid);
  return status !== null && status.state !== "Z";
}

async function statusOf(pid: number): Promise<{ state: string; parent: number } | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state && parent ? { state, parent: Number(parent) } : null;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
