import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installFromDebian, Missing, onPath } from "./packages.ts";
import { makeServerFolder, openServer, type OwnServer } from "./server-process.ts";

/** How many databases a server of ours has; each test takes one. */
export const redisDatabases = 4_096;

/** A Redis server of one test's own. It keeps nothing on disk: a restart forgets. */
export interface RedisServer extends OwnServer {
  /** Of database 0. */
  readonly url: string;
}

/**
 * Starts a Redis on a free port of loopback; `settings` are lines of redis.conf, such as `maxmemory: "10mb"`, and `program` is
 * another server than the usual one. Rejects with `Missing` where there is none to be had.
 */
export async function startRedis(
  settings: Readonly<Record<string, string>> = {},
  program?: string,
): Promise<RedisServer> {
  const command = program ?? (await findRedis());
  const folder = await makeServerFolder();
  const server = await openServer(folder, "SIGTERM", (port) => {
    const plain = { save: "", appendonly: "no", databases: String(redisDatabases), dir: folder };
    const lines = Object.entries({ ...plain, ...settings, bind: "127.0.0.1", port: String(port) });
    const args = lines.flatMap(([name, value]) => [`--${name}`, value]);
    return { command, args, ready: /Ready to accept connections/, asNobody: false };
  });
  return { ...server, url: `redis://127.0.0.1:${server.port}` };
}

/** Starts a sentinel that watches the primary at `port` under the name `main`, and gives it up after half a second of silence. */
export async function startSentinel(port: number): Promise<OwnServer> {
  const command = await findRedis();
  const folder = await makeServerFolder();
  // It keeps in its file what it learns.
  const config = join(folder, "sentinel.conf");
  const watch = ["monitor main 127.0.0.1 %", "down-after-milliseconds main 500", "failover-timeout main 2000"];
  const lines = watch.map((line) => `sentinel ${line.replace("%", `${port} 1`)}\n`);
  await writeFile(config, `dir ${folder}\n${lines.join("")}`);
  return openServer(folder, "SIGTERM", (own) => {
    const args = [config, "--sentinel", "--bind", "127.0.0.1", "--port", String(own)];
    return { command, args, ready: /monitor master main/, asNobody: false };
  });
}

/** The program's path. Rejects with `Missing` where there is none to be had. */
export async function findRedis(): Promise<string> {
  const here = () => onPath("redis-server");
  const remedy = "Set REDIS_URL to a throw-away server, or install one: apt-get install redis-server";
  if (here() === null) {
    await installFromDebian("redis-server").catch((error: Error) => {
      throw new Missing(`There is no Redis to test with, and it could not be installed. ${remedy}`, { cause: error });
    });
  }
  const found = here();
  if (found === null) throw new Missing(`There is no Redis to test with. ${remedy}`);
  return found;
}
