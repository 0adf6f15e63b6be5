import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pause } from "../test/soak/crew.ts";

/** Whose version a figure may depend on. */
const telling = ["@electric-sql/pglite", "@langchain/langgraph", "discord.js", "ioredis", "pg", "pg-boss"];

/** What a peer of bench/package.json is called there. */
type Peer = "@langchain/langgraph-checkpoint-postgres" | "mem0ai";

/** What a figure was measured on, with the versions of the peers that took part; figures of two machines are not compared. */
export function machine(peers: readonly Peer[] = []): object {
  const [cpu] = cpus();
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    packages: Object.fromEntries(telling.map((name) => [name, lock.dependencies[name]])),
    ...(peers.length === 0 ? {} : { peers: Object.fromEntries(peers.map((name) => [name, versionOf(name)])) }),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
    }).trim(),
    measuredAt: new Date().toISOString(),
  };
}

/** Of what is installed, which another install may have made newer than the file says. */
function versionOf(peer: Peer): string {
  const path = join(import.meta.dirname, "node_modules", peer, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

/** The value below which a share of the samples lies, by nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return Math.round(value * 100) / 100;
}

/** The middle and the slow end of some samples, in milliseconds. */
export function spread(samples: readonly number[]): { p50: number; p99: number; samples: number } {
  return { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99), samples: samples.length };
}

/** The middle sample. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Under 1: better than the goal. */
export function ratio(figure: number, goal: number): number {
  return Math.round((100 * figure) / goal) / 100;
}

/** Of a running process, as Linux counts it. */
export function residentMb(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024);
}

/** Resident memory, in MB: the least of some seconds in which nothing happens. */
export async function leastResidentMb(pid: number | undefined): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20; look += 1) {
    await pause(500);
    least = Math.min(least, residentMb(pid));
  }
  return least;
}
