import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answersIn, furnish, patience, ready, startDiscordBot } from "../failure/discord-bot.ts";
import { runToEnd, type Watched } from "../failure/process.ts";
import { describeUnless, openServerHome, type Home } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";

const agents = join(import.meta.dirname, "..", "..", "agents.yaml");

describeUnless(await whyNoPostgres(), "processes with a role of their own", () => {
  let discord: DiscordSimulator;
  let gemini: Simulator;
  let home: Home;
  let running: Watched[];
  const start = async (role: "all-in-one" | "gateway" | "worker") => {
    const model = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: gemini.url, GEMINI_REQUESTS_PER_MINUTE: "1000" };
    const one = startDiscordBot(discord, home, { ...model, ROLE: role });
    running.push(one);
    return one;
  };
  const run = (role: string, env: Readonly<Record<string, string>> = {}) =>
    runToEnd(["--agents", agents], {
      cwd: home.data,
      env: {
        ...home.env,
        ROLE: role,
        DISCORD_TOKEN: "sim-reception-token-0000",
        DISCORD_API_URL: `${discord.url}/api`,
        ...env,
      },
    });
  const stop = async (one: Watched) => {
    one.kill("SIGTERM");
    expect(await one.exited).toBe(0);
  };
  beforeEach(async () => {
    running = [];
    [discord, gemini, home] = await Promise.all([startDiscordSimulator(), startGeminiSimulator(), openServerHome()]);
  });
  afterEach(async () => {
    for (const one of running) one.kill("SIGKILL");
    await Promise.all(running.map((one) => one.exited));
    await Promise.all([discord.close(), gemini.stop(), home.remove()]);
  });

  it("migrate brings an empty database to this build's schema, once, and ends; also several at once", async () => {
    const ended = await Promise.all([run("migrate"), run("migrate"), run("migrate")]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
    const changes = ended.flatMap(({ stderr }) => stderr.filter((line) => line.includes("changing the schema")));
    expect(changes.length).toBeGreaterThan(0);
    expect(new Set(changes.map((line) => (JSON.parse(line) as { migration: string }).migration)).size).toBe(
      changes.length,
    );
    const again = await run("migrate", { DISCORD_TOKEN: "", ENVIRONMENT: "production" });
    expect([again.code, again.stderr.filter((line) => line.includes("changing the schema"))]).toEqual([0, []]);
  });

  it.each(["all-in-one", "gateway", "worker"] as const)(
    "a process that is %s is asked for its health at every address that the machine has, in a cluster of IPv6 too",
    async (role) => {
      await run("migrate");
      const one = await start(role);
      await vi.waitFor(async () => expect((await one.get("/health/live")).status).toBe(200), patience);
      const { port } = new URL(String(one.log.find(({ listening }) => listening !== undefined)?.["listening"]));
      const near = Object.values(networkInterfaces()).flatMap((its = []) => its.filter(({ internal }) => internal));
      const hosts = near.map(({ address, family }) => (family === "IPv6" ? `[${address}]` : address));
      expect(hosts).toContain("127.0.0.1");
      for (const host of hosts) expect((await fetch(`http://${host}:${port}/health/live`)).status).toBe(200);
    },
  );

  it.each(["gateway", "worker"])(
    "a %s refuses an empty, an older and a newer database with a sentence each",
    async (role) => {
      const empty = await run(role);
      expect([empty.code, empty.stderr.join("\n")]).toEqual([
        1,
        expect.stringContaining("The database is empty: run this build once with ROLE=migrate"),
      ]);
      await run("migrate");
      const database = await home.openDatabase();
      try {
        await database.query(
          "update schema_migrations set version = version + 1000 where version = (select max(version) from schema_migrations)",
        );
        expect((await run(role)).stderr.join("\n")).toMatch(
          /has schema version \d+, this build knows \d+: start the newer build/,
        );
        await database.query("delete from schema_migrations where version > 1000");
        expect((await run(role)).stderr.join("\n")).toMatch(
          /has schema version \d+, this build needs \d+: run this build once with ROLE=migrate/,
        );
      } finally {
        await database.close();
      }
    },
  );

  it("gateways hear and workers answer; a command is answered where no worker is", async () => {
    expect((await run("migrate")).code).toBe(0);
    const { ann, general } = furnish(discord);
    const { world } = discord;
    const gateway = await start("gateway");
    await ready(gateway);
    await vi.waitFor(() => expect(world.commands(world.reception).length).toBeGreaterThan(0), patience);
    const first = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> is somebody there?` });
    const status = world.interact({ channel: general, user: ann, command: "status" });
    await vi.waitFor(() => expect(status.reply).toContain("waiting: 1"), patience);
    expect(answersIn(discord, general)).toEqual([]);

    const worker = await start("worker");
    await vi.waitFor(
      () => expect(answersIn(discord, general).map(({ replyTo }) => replyTo)).toEqual([first.id]),
      patience,
    );
    await stop(worker);
    const second = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> and now?` });
    await start("worker");
    await vi.waitFor(
      () => expect(answersIn(discord, general).map(({ replyTo }) => replyTo)).toEqual([first.id, second.id]),
      patience,
    );
    expect(discord.report().identifies).toBe(1);
    await stop(gateway);
  });

  it("a gateway, which never asks the model, tells whether it answers those that do", async () => {
    expect((await run("migrate")).code).toBe(0);
    const { ann, general } = furnish(discord);
    const { world } = discord;
    await Promise.all([start("gateway"), start("worker")].map(async (one) => ready(await one)));
    await vi.waitFor(() => expect(world.commands(world.reception).length).toBeGreaterThan(0), patience);
    const tells = async (words: string) => {
      await vi.waitFor(async () => {
        const status = world.interact({ channel: general, user: ann, command: "status" });
        await vi.waitFor(() => expect(status.reply).not.toBeNull(), patience);
        expect(status.reply).toContain(`Model: ${words}.`);
      }, patience);
    };
    await tells("ready");
    gemini.script({ fault: "503", on: "generate", times: null });
    const asked = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> is somebody there?` });
    await tells("not answering");
    gemini.clear();
    const content = expect.not.stringMatching(/^(?:My model|I am sorry)/);
    const answered = () => expect(answersIn(discord, general)).toMatchObject([{ replyTo: asked.id, content }]);
    await vi.waitFor(answered, patience);
    await tells("ready");
  });

  it("what a gateway hears revoked, a worker gives up at once", async () => {
    expect((await run("migrate")).code).toBe(0);
    const { ann, general } = furnish(discord);
    const { world } = discord;
    const gateway = await start("gateway");
    const worker = await start("worker");
    await Promise.all([ready(gateway), ready(worker)]);
    // A model that thinks for ever: only the deletion can end it.
    gemini.script({ fault: "hang", on: "generate", times: 1 });
    const answering = async () => {
      const { components } = (await (await worker.get("/health")).json()) as {
        components: Record<string, { details: Record<string, number> }>;
      };
      return components["consumer"]?.details["answering"];
    };
    const thoughts = () => gemini.requests.filter(({ operation }) => /generate/i.test(operation));
    const asked = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> never mind` });
    await vi.waitFor(async () => expect([await answering(), thoughts().length]).toEqual([1, 1]), patience);
    world.delete(asked);
    await vi.waitFor(async () => expect(await answering()).toBe(0), patience);
    expect(thoughts(), "it was given up, not tried again").toHaveLength(1);
    expect(answersIn(discord, general)).toEqual([]);
    expect((await worker.status()).inbox.waiting).toBe(0);
  });
});

describe("a role that lacks something", () => {
  it.each([
    [
      "gateway",
      { DISCORD_TOKEN: "x" },
      "POSTGRESQL_URL: it is not set, and a process with ROLE=gateway shares its database with others. Set the URL of a Postgres server",
    ],
    [
      "worker",
      { POSTGRESQL_URL: "postgres://nobody@127.0.0.1:1/x" },
      "DISCORD_TOKEN: it is not set, and a worker works on Discord. Set the bot's token",
    ],
    [
      "migrate",
      {},
      "POSTGRESQL_URL: it is not set, and a process with ROLE=migrate shares its database with others. Set the URL of a Postgres server",
    ],
    [
      "waiter",
      {},
      'ROLE: "waiter" is not one of all-in-one, gateway, worker, migrate. Set one of all-in-one, gateway, worker, migrate, or unset it for all-in-one',
    ],
  ])("%s says so and exits 78", async (role, env, sentence) => {
    const { code, stderr } = await runToEnd([], { cwd: "/", env: { ...env, ROLE: role } });
    expect([code, stderr]).toEqual([78, [sentence]]);
  });
});
