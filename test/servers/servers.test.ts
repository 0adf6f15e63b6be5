import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { expect, it, vi } from "vitest";
import { openServerDatabase, temporaryFolder } from "../connections/fresh-database.ts";
import { describeUnless } from "./databases.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { askRedis, openServerRedis, whyNoOwnPostgres, whyNoOwnRedis, whyNoPostgres, whyNoRedis } from "./shared.ts";

async function ask(url: string, statement: string, connectionTimeoutMillis = 20_000) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis });
  client.on("error", () => {});
  await client.connect();
  try {
    return await client.query(statement);
  } finally {
    await client.end();
  }
}

describeUnless(await whyNoPostgres(), "a Postgres server for tests", () => {
  it("gives each test a database of its own, with the whole schema and pgvector, and removes it", async () => {
    const [one, other] = await Promise.all([openServerDatabase(), openServerDatabase()]);
    await one.query("create table mine (n int)");
    await expect(other.query("select * from mine")).rejects.toThrow(/42P01/);
    expect(await other.query("select '[1,2]'::vector <-> '[1,3]' as far, count(*)::int as n from turns")).toEqual([
      { far: 1, n: 0 },
    ]);
    const [{ name }] = (await one.query<{ name: string }>("select current_database() as name")) as [{ name: string }];
    await one.close();
    expect(await other.query("select 1 from pg_database where datname = $1", [name])).toEqual([]);
    await other.close();
  });
});

describeUnless(await whyNoOwnPostgres(), "a Postgres server of a test's own", () => {
  it("keeps what was committed through a kill and a restart, and comes back where it was", async () => {
    const server = await startPostgres();
    const { url } = await server.createDatabase();
    await ask(url, "create table kept as select 1 as n");
    const client = new pg.Client({ connectionString: url });
    const lost = once(client, "error");
    await client.connect();
    await server.kill();
    expect(await lost).toMatchObject([expect.objectContaining({ message: expect.stringContaining("unexpectedly") })]);
    await expect(ask(url, "select 1")).rejects.toThrow(/ECONNREFUSED/);
    await server.start();
    expect((await ask(url, "select n from kept")).rows).toEqual([{ n: 1 }]);
    await server.stop();
    await server.start();
    expect((await ask(url, "select n from kept")).rows).toEqual([{ n: 1 }]);
    await server.close();
  });

  it("can be held in the middle of what it does", async () => {
    const server = await startPostgres();
    await server.freeze();
    await expect(ask(server.url, "select 1", 300)).rejects.toThrow(/timeout/);
    await server.thaw();
    expect((await ask(server.url, "select 1 as n")).rows).toEqual([{ n: 1 }]);
    await server.close();
  });

  it("ends with the process that started it, also when that one is killed", async () => {
    const source = `const { startPostgres } = await import(${JSON.stringify(join(import.meta.dirname, "postgres.ts"))});
      console.log((await startPostgres()).port); setInterval(() => {}, 1_000);`;
    const folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, TEST_SERVERS_FOLDER: folder.path },
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(String(line));
    expect(await isOpen(port)).toBe(true);
    child.kill("SIGKILL");
    await vi.waitFor(async () => expect(await isOpen(port)).toBe(false), { timeout: 10_000 });
    await folder.remove();
  });
});

describeUnless(await whyNoRedis(), "a Redis server for tests", () => {
  it("gives each test an empty database of its own", async () => {
    const [one, other] = [await openServerRedis(), await openServerRedis()];
    expect(one.url).not.toBe(other.url);
    expect(await askRedis(one.url, "SET", "word", "mine")).toContain("+OK");
    expect(await askRedis(other.url, "DBSIZE")).toContain(":0");
    await one.drop();
    const again = await openServerRedis();
    expect(again.url).toBe(one.url);
    expect(await askRedis(again.url, "DBSIZE")).toContain(":0");
    await again.drop();
    await other.drop();
  });
});

describeUnless(await whyNoOwnRedis(), "a Redis server of a test's own", () => {
  it("can be stopped, killed and started again", async () => {
    const server = await startRedis();
    expect(await askRedis(server.url, "PING")).toContain("+PONG");
    await server.stop();
    expect(await isOpen(server.port)).toBe(false);
    await server.start();
    await server.kill();
    expect(await isOpen(server.port)).toBe(false);
    await server.start();
    expect(await askRedis(server.url, "PING")).toContain("+PONG");
    await server.close();
  });
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
