import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { patience, ready, startDiscordBot } from "../failure/discord-bot.ts";
import { runToEnd, startWatched, type Watched } from "../failure/process.ts";
import { describeUnless } from "../servers/databases.ts";
import { openForwarder } from "../servers/forwarder.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";

describeUnless(await whyNoOwnPostgres(), "a process that is started while Postgres is away", () => {
  let postgres: PostgresServer;
  let discord: DiscordSimulator;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let env: Readonly<Record<string, string>>;
  let running: Watched[];
  const begin = (role: string) => {
    const one = startDiscordBot(discord, { data: folder.path, env: { ...env, ROLE: role } });
    running.push(one);
    return one;
  };
  const waits = async (one: Watched, part: string) => {
    const line = expect.stringMatching(new RegExp(`^${part} cannot start yet: .*does not answer`));
    await vi.waitFor(() => expect(one.log.map(({ msg }) => msg)).toContainEqual(line), patience);
  };
  const start = async (role: string) => {
    const one = begin(role);
    await waits(one, "postgres");
    return one;
  };
  beforeEach(async () => {
    running = [];
    [postgres, discord, folder] = await Promise.all([startPostgres(), startDiscordSimulator(), temporaryFolder()]);
    const { url } = await postgres.createDatabase();
    env = { POSTGRESQL_URL: url };
    expect((await runToEnd([], { cwd: process.cwd(), env: { ...env, ROLE: "migrate" } })).code).toBe(0);
    await postgres.stop();
  });
  afterEach(async () => {
    for (const one of running) one.kill("SIGKILL");
    await Promise.all(running.map((one) => one.exited));
    await Promise.all([discord.close(), postgres.close(), folder.remove()]);
  });

  it("lives, is not ready, and goes on when it is there", async () => {
    const [gateway, worker] = await Promise.all([start("gateway"), start("worker")]);
    expect((await gateway.get("/health/live")).status).toBe(200);
    expect((await gateway.get("/health/ready")).status).toBe(503);
    await postgres.start();
    await Promise.all([ready(gateway), ready(worker)]);
  });

  it("ends in order when it is told to", async () => {
    const worker = await start("worker");
    worker.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
  });

  it.each([
    ["worker", "postgres", "current_setting('server_version_num')"],
    ["worker", "postgres", "from schema_migrations"],
    ["worker", "inbox", "pgboss.version"],
    ["worker", "inbox", "pgboss.queue"],
    ["gateway", "gateway", "insert into shards"],
  ])("goes on as well when it goes while the %s starts its %s: %s", async (role, part, words) => {
    await postgres.start();
    const url = new URL(env["POSTGRESQL_URL"] ?? "");
    const forwarder = await openForwarder(Number(url.port));
    try {
      url.port = String(forwarder.port);
      env = { ...env, POSTGRESQL_URL: url.href };
      forwarder.beforeSent(words, () => {
        forwarder.admit(false);
        forwarder.cut();
      });
      const one = begin(role);
      await waits(one, part);
      forwarder.admit(true);
      await ready(one);
      one.kill("SIGTERM");
      expect(await one.exited).toBe(0);
    } finally {
      await forwarder.close();
    }
  });

  it("says so and ends at once when somebody only migrates", async () => {
    const { code, stderr } = await runToEnd([], { cwd: process.cwd(), env: { ...env, ROLE: "migrate" } });
    expect([code, stderr.join("\n")]).toEqual([1, expect.stringMatching(/does not answer/)]);
  });

  describe("and only migrates, in a pod,", () => {
    const migrate = async () => {
      const one = startWatched(folder.path, { ...env, ROLE: "migrate", POD_NAME: "worker-0" }, []);
      running.push(one);
      await waits(one, "postgres");
      return one;
    };

    it("goes on when it is there: the kubelet would start it again later and later", async () => {
      const one = await migrate();
      await postgres.start();
      expect(await one.exited).toBe(0);
    });

    it("has not done what it was started for when it is told to end", async () => {
      const one = await migrate();
      one.kill("SIGTERM");
      expect(await one.exited).toBe(1);
    });
  });
});
