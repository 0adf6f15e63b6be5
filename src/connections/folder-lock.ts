import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Misconfigured } from "../errors.ts";

/**
 * Makes this process the only user of `folder` until the returned function is called. The lock of a dead process is
 * taken over; a live one is refused with its pid.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const mine = join(folder, `lock.${process.pid}`);
  await writeFile(mine, await identity(process.pid));
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (
        await link(mine, path).then(
          () => true,
          () => false,
        )
      )
        return () => rm(path, { force: true });
      const holder = await readFile(path, "utf8").catch(() => "");
      const pid = Number.parseInt(holder, 10);
      if (Number.isInteger(pid) && pid !== process.pid && holder === (await identity(pid))) throw taken(folder, pid);
      await removeStale(path, `${mine}.stale`, holder);
    }
    throw taken(folder, null);
  } finally {
    await rm(mine, { force: true });
  }
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
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (stat === null) return isAlive(pid) ? `${pid}` : `${pid} gone`;
  const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return `${pid} ${startTime}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
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
