import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installFromDebian, isRoot, Missing, onPath } from "./packages.ts";
import { makeServerFolder, nobody, openServer, type OwnServer } from "./server-process.ts";

/** The program's path. Rejects with `Missing` where there is none to be had. */
export async function findPgBouncer(): Promise<string> {
  const remedy = "Install it: apt-get install pgbouncer";
  if (onPath("pgbouncer") === null) await installFromDebian("pgbouncer").catch(() => {});
  const found = onPath("pgbouncer");
  if (found === null) throw new Missing(`There is no PgBouncer to test with. ${remedy}`);
  return found;
}

/** Starts a PgBouncer on a free port of loopback before the server of `target`; `url` leads through it to the same database, as the same user. */
export async function startPgBouncer(
  mode: "session" | "transaction",
  target: string,
): Promise<OwnServer & { readonly url: string }> {
  const command = await findPgBouncer();
  const folder = await makeServerFolder();
  const url = new URL(target);
  const [config, users] = [join(folder, "pgbouncer.ini"), join(folder, "users.txt")];
  const server = await openServer(folder, "SIGINT", (port) => {
    const settings = {
      listen_addr: "127.0.0.1",
      listen_port: port,
      unix_socket_dir: "",
      auth_type: "plain",
      auth_file: users,
      pool_mode: mode,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
    const databases = `[databases]\n* = host=${url.hostname} port=${url.port}\n`;
    writeFileSync(config, `${databases}[pgbouncer]\n${lines.join("\n")}\n`);
    writeFileSync(users, `"${decodeURIComponent(url.username)}" "${decodeURIComponent(url.password)}"\n`);
    if (isRoot) for (const path of [folder, config, users]) chownSync(path, nobody, nobody);
    return { command, args: [config], ready: /process up/, asNobody: isRoot };
  });
  return { ...server, url: Object.assign(new URL(target), { port: String(server.port) }).href };
}
