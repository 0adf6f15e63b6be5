import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const main = join(import.meta.dirname, "..", "..", "src", "main.ts");

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
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: cwd, HEALTH_CHECK_PORT: "0", ...env },
  });
  // A process that refuses to start does not read.
  child.stdin.on("error", () => {});
  child.stdin.end();
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: code as number | null, stdout, stderr: stderr.split("\n").filter((line) => line !== "") };
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
