import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockFolder } from "../../src/connections/folder-lock.ts";
import { temporaryFolder } from "./fresh-database.ts";

describe("a data folder has one user", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => folder.remove());

  const holder = async () => {
    const source = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, "../../src/connections/folder-lock.ts"))};
      await lockFolder(process.argv[1]); console.log("locked"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source, folder.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    return child;
  };

  it("refuses a second process and names the first one's pid", async () => {
    const child = await holder();
    await expect(lockFolder(folder.path)).rejects.toThrow(`in use by process ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  it("takes over the lock of a process that was killed", async () => {
    const child = await holder();
    child.kill("SIGKILL");
    await once(child, "exit");
    const unlock = await lockFolder(folder.path);
    await unlock();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("takes over the lock of a dead process whose pid another program has now", async () => {
    await writeFile(join(folder.path, "lock"), `${process.ppid} 1 ${hostname()}`);
    const unlock = await lockFolder(folder.path);
    expect(await readFile(join(folder.path, "lock"), "utf8")).toMatch(new RegExp(`^${process.pid} `));
    await unlock();
  });

  it("refuses it while another container holds it, which has the same pid, and takes it over when that one has died", async () => {
    const lock = join(folder.path, "lock");
    await writeFile(lock, `${process.pid} 1 another-container`);
    const alive = setInterval(() => void utimes(lock, new Date(), new Date()), 500);
    await expect(lockFolder(folder.path)).rejects.toThrow("in use by another process");
    clearInterval(alive);
    const unlock = await lockFolder(folder.path);
    await unlock();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("says so when it cannot be written to", async () => {
    const file = join(folder.path, "file");
    await writeFile(file, "");
    await expect(lockFolder(join(file, "data"))).rejects.toThrow(
      /^--data: .* cannot be written to \(ENOTDIR\)\. Mount/,
    );
  });
});
