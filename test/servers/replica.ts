import { chown, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRoot, run } from "./packages.ts";
import { administer, findPostgres, type PostgresServer } from "./postgres.ts";
import { makeServerFolder, nobody, openServer, type OwnServer } from "./server-process.ts";

/** A Postgres that follows another one, and only reads until it is promoted. */
export interface Replica extends OwnServer {
  /** Of the database `postgres`, with the user and the password of the primary. */
  readonly url: string;
  /** Makes it a primary of its own; resolves when it writes. */
  promote(): Promise<void>;
}

/** Starts a replica of `primary`, which from then on commits nothing that the replica does not have. */
export async function startReplica(primary: PostgresServer): Promise<Replica> {
  const programs = await findPostgres();
  const folder = await makeServerFolder();
  const data = join(folder, "data");
  if (isRoot) await chown(folder, nobody, nobody);
  const user = isRoot ? { uid: nobody, gid: nobody } : {};
  const from = ["--dbname", primary.url, "--pgdata", data, "--checkpoint", "fast", "--no-sync"];
  try {
    await run(join(programs, "pg_basebackup"), [...from, "--write-recovery-conf"], user);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const server = await openServer(folder, "SIGINT", (port) => {
    const place = { listen_addresses: "127.0.0.1", port: String(port), unix_socket_directories: "" };
    const lines = Object.entries({ fsync: "off", shared_buffers: "64MB", max_connections: "200", ...place });
    return {
      command: join(programs, "postgres"),
      args: ["-D", data, ...lines.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      ready: /database system is ready to accept (?:read-only )?connections/,
      asNobody: isRoot,
    };
  });
  const url = Object.assign(new URL(primary.url), { port: String(server.port) }).href;
  await administer(primary.url, "alter system set synchronous_standby_names = '*'");
  await administer(primary.url, "select pg_reload_conf()");
  return {
    ...server,
    url,
    promote: async () => {
      // Nobody is left to wait for.
      await administer(url, "select pg_promote()");
      await administer(url, "alter system reset synchronous_standby_names");
      await administer(url, "select pg_reload_conf()");
    },
  };
}
