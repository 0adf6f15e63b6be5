import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { temporaryFolder } from "../connections/fresh-database.ts";

const run = promisify(execFile);

/** Null where a disk can be made; otherwise why not. */
export async function whyNoSmallDisk(): Promise<string | null> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "only root on Linux can mount a small disk";
  try {
    await (await openSmallDisk(1)).remove();
    return null;
  } catch {
    return "this machine lets nobody mount a small disk";
  }
}

/** A disk of so many megabytes, empty, that belongs to `nobody`, as whom servers run. */
export async function openSmallDisk(megabytes: number): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await temporaryFolder();
  await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,uid=65534,gid=65534`, "tmpfs", folder.path]).catch(
    async (error: unknown) => {
      await folder.remove();
      throw error;
    },
  );
  return {
    path: folder.path,
    remove: async () => {
      await run("umount", ["--lazy", folder.path]);
      await folder.remove();
    },
  };
}
