import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Misconfigured } from "../errors.ts";

/** How often a lock shows that its holder lives, and how long another host is given to show it. */
const refreshMs = 1_000;
const lookMs = 4_000;

/**
 * Makes this process the only user of `folder`, which it makes where it is missing, until the returned function is called. The lock of a dead process is
 * taken over; a live one is refused with its pid. Of a process in another container only the lock itself tells whether it lives.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const mine = join(folder, `lock.${process.pid}.${hostname()}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(mine, await identity(process.pid));
  } catch (error) {
    throw unwritable(folder, (error as NodeJS.ErrnoException).code ?? "unknown");
  }
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (
        await link(mine, path).then(
          () => true,
          () => false,
        )
      )
        return holdLock(path);
      const holder = await readFile(path, "utf8").catch(() => "");
      const pid = Number.parseInt(holder, 10);
      const isForeign = holder !== "" && !holder.endsWith(` ${hostname()}`);
      if (isForeign && (await isRefreshed(path))) throw taken(folder, null);
      if (!isForeign && Number.isInteger(pid) && pid !== process.pid && holder === (await identity(pid)))
        throw taken(folder, pid);
      await removeStale(path, `${mine}.stale`, holder);
    }
    throw taken(folder, null);
  } finally {
    await rm(mine, { force: true });
  }
}

function holdLock(path: string): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => {});
  }, refreshMs).unref();
  return async () => {
    clearInterval(timer);
    await rm(path, { force: true });
  };
}

/** Whether somebody shows that they hold the lock; clocks of two hosts need not agree. */
async function isRefreshed(path: string): Promise<boolean> {
  const shown = () =>
    stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => null,
    );
  const before = await shown();
  await setTimeout(lookMs);
  const after = await shown();
  return after !== null && after !== before;
}

/** Removing by name alone could remove the lock of a process that took the stale one over a moment before us. */
async function removeStale(path: string, aside: string, expected: string): Promise<void> {
  if (
    !(await rename(path, aside).then(
      () => true,
      () => false,
    ))
  )
    return;
  if ((await readFile(aside, "utf8")) !== expected) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

/** A pid alone can be reused by another program after a crash; together with its start time it cannot. */
async function identity(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (status === null) return `${pid} ${isAlive(pid) ? "alive" : "gone"} ${hostname()}`;
  const startTime = status.slice(status.lastIndexOf(")") + 2).split(" ")[19];
  return `${pid} ${startTime} ${hostname()}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function unwritable(folder: string, code: string): Misconfigured {
  return new Misconfigured([
    {
      where: "--data",
      problem: `${folder} cannot be written to (${code})`,
      remedy: "Mount a volume there that belongs to the user of this process, or name a server in POSTGRESQL_URL",
    },
  ]);
}

function taken(folder: string, pid: number | null): Misconfigured {
  return new Misconfigured([
    {
      where: "--data",
      problem: `${folder} is in use by ${pid === null ? "another process" : `process ${pid}`}`,
      remedy: "Stop that process first, or give this one another folder with --data DIR",
    },
  ]);
}
