import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { administer, startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { whyNoOwnPostgres, whyNoOwnRedis } from "../servers/shared.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import { runToEnd, type Watched } from "./process.ts";

const secrets = {
  redis: "canary-redis-81d0",
  status: "canary-status-token-4c7a",
  key: "canary-key-99ab",
  voice: "canary-voice-token-0000-31fe",
} as const;
const said = "canary-said-7be3";
const replied = "canary-reply-e013";

describeUnless((await whyNoOwnPostgres()) ?? (await whyNoOwnRedis()), "no secret of a fleet is seen", () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  let discord: DiscordSimulator;
  let gemini: Simulator;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let env: Readonly<Record<string, string>>;
  let hidden: readonly string[];
  const running: Watched[] = [];
  beforeAll(async () => {
    [postgres, redis, discord, gemini, folder] = await Promise.all([
      startPostgres(),
      startRedis({ requirepass: secrets.redis }),
      startDiscordSimulator(),
      startGeminiSimulator(),
      temporaryFolder(),
    ]);
    env = {
      POSTGRESQL_URL: postgres.url,
      REDIS_URL: `redis://:${secrets.redis}@127.0.0.1:${redis.port}`,
      GEMINI_API_KEY: secrets.key,
      GEMINI_BASE_URL: gemini.url,
      STATUS_TOKEN: secrets.status,
      // Discord refuses it: what is said about that must not repeat it.
      DISCORD_TOKEN_MIRA: secrets.voice,
      LOG_LEVEL: "trace",
    };
    hidden = [...Object.values(secrets), "sim-reception-token", new URL(postgres.url).password, said, replied];
  });
  afterAll(async () => {
    for (const one of running) one.kill("SIGKILL");
    await Promise.all(running.map((one) => one.exited));
    await Promise.all([postgres.close(), redis.close(), discord.close(), gemini.stop(), folder.remove()]);
  });

  function expectNothing(seen: Readonly<Record<string, string>>): void {
    for (const [where, text] of Object.entries(seen))
      for (const secret of hidden) expect(text.includes(secret), `${secret} in ${where}`).toBe(false);
  }

  /** All that others can see of a running process. */
  async function seenOf(one: Watched): Promise<Record<string, string>> {
    const authorization = `Bearer ${secrets.status}`;
    const paths = ["/status", "/health", "/health/ready", "/metrics", `/${said}`];
    const pages = await Promise.all(
      paths.map(async (path) => (await one.get(path, { headers: { authorization } })).text()),
    );
    const title = await readFile(`/proc/${one.pid}/cmdline`, "utf8").catch(() => "");
    return { title, log: one.errors(), ...Object.fromEntries(paths.map((path, i) => [path, pages[i] ?? ""])) };
  }

  it("in titles, logs, errors and pages of migrate, a gateway and a worker, also while Redis and Postgres are away", async () => {
    const migrated = await runToEnd([], { cwd: folder.path, env: { ...env, ROLE: "migrate" } });
    expect(migrated.code).toBe(0);
    const { ann, general } = furnish(discord);
    const { world } = discord;
    const home = { data: folder.path, env };
    running.push(startDiscordBot(discord, home, { ROLE: "gateway" }));
    running.push(startDiscordBot(discord, home, { ROLE: "worker" }));
    await Promise.all(running.map(ready));
    gemini.script({ reply: { agent: "mira", reply: `${replied} and more` }, on: "generate", times: null });
    const ask = async () => {
      const before = answersIn(discord, general).length;
      world.say({ channel: general, author: ann, text: `<@${world.reception.id}> what is ${said}?` });
      await vi.waitFor(() => expect(answersIn(discord, general).length).toBeGreaterThan(before), patience);
    };
    await ask();
    expect(answersIn(discord, general).at(-1)?.content, "they would be found if they were there").toContain(replied);
    for (const one of running)
      for (const path of ["/status", "/metrics"]) expect((await one.get(path)).status).toBe(401);
    const whole = await Promise.all(running.map(seenOf));

    const names = await administer<{ name: string }>(
      postgres.url,
      "select distinct application_name as name from pg_stat_activity where application_name like 'discord-agent%'",
    );
    await redis.stop();
    await vi.waitFor(() => expect(running.every((one) => one.errors().includes("Redis is away"))).toBe(true), patience);
    await ask();
    await postgres.kill();
    await vi.waitFor(async () => {
      const codes = await Promise.all(running.map(async (one) => (await one.get("/health/ready")).status));
      expect(codes).toEqual([503, 503]);
    }, patience);
    const away = await Promise.all(running.map(seenOf));
    await postgres.start();
    await Promise.all(running.map(ready));
    await ask();
    for (const seen of [...whole, ...away, ...(await Promise.all(running.map(seenOf)))]) expectNothing(seen);
    expectNothing({ migrated: migrated.stderr.join("\n"), names: JSON.stringify(names) });
    expect(names.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["discord-agent gateway", "discord-agent worker"]),
    );
  });
});
