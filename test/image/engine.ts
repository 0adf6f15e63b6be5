import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe } from "vitest";

const run = promisify(execFile);

export const root = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
/** The image as everything in this repository names it. */
export const image = `ghcr.io/discord-agent/discord-agent:${version}`;
/** A container may take its time on a busy machine. */
export const patience = { timeout: 120_000, interval: 250 };

/** Runs docker, and resolves to what it printed; rejects with what it complained. */
export async function docker(
  args: readonly string[],
  { cwd = root, input }: { cwd?: string; input?: string } = {},
): Promise<string> {
  const started = run("docker", args, { cwd, maxBuffer: 1 << 26 });
  started.child.stdin?.end(input ?? "");
  return (await started).stdout;
}

/** Describes what needs a container engine; reported as skipped where there is none, and with CI=true one must be there. */
export function describeWithEngine(title: string, suite: () => void): void {
  const isThere = spawnSync("docker", ["version"], { stdio: "ignore" }).status === 0;
  const missing = "no container engine answers: install Docker, then npm run test:image";
  if (!isThere && process.env["CI"] === "true") throw new Error(missing);
  const whyNot = isThere ? "" : ` (${missing})`;
  describe.skipIf(!isThere)(`${title}${whyNot}`, () => {
    suite();
  });
}
