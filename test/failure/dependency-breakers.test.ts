import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { whyNoOwnPostgres, whyNoOwnRedis } from "../servers/shared.ts";
import { openHouse, type House } from "./discord-house.ts";
import type { Watched } from "./process.ts";

const patience = { timeout: 60_000, interval: 20 };
const missing = (await whyNoOwnPostgres()) ?? (await whyNoOwnRedis());

describeUnless(missing, "the breaker of what a process cannot do without", () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  let house: House;
  let bot: Watched;
  beforeAll(async () => {
    [postgres, redis, house] = await Promise.all([startPostgres(), startRedis(), openHouse()]);
    const { url } = await postgres.createDatabase();
    bot = await house.start({ POSTGRESQL_URL: url, REDIS_URL: redis.url });
  });
  afterAll(async () => {
    await house.close();
    await Promise.all([postgres.close(), redis.close()]);
  });
  const becomes = async (name: string, state: string) => {
    await vi.waitFor(
      async () => expect((await bot.status()).circuit_breakers[name]).toMatchObject({ state }),
      patience,
    );
  };
  const gauge = async (breaker: string) =>
    (await bot.metrics()).value("discord_agent_circuit_breaker_state", { breaker });

  it.each<[string, { goAway: () => Promise<void> | void; comeBack: () => Promise<void> | void }]>([
    ["redis", { goAway: () => redis.stop(), comeBack: () => redis.start() }],
    ["postgres", { goAway: () => postgres.stop(), comeBack: () => postgres.start() }],
    ["discord_api", { goAway: () => house.discord.faults.goAway(), comeBack: () => house.discord.faults.comeBack() }],
  ])("%s opens while it is away, and closes when it is back; what was asked is answered once", async (name, fault) => {
    await becomes(name, "closed");
    expect(await gauge(name)).toBe(0);
    const before = house.ask(`before ${name}`);
    await house.answered(before, `before ${name}`);
    const ask = (n: number) => house.ask(`${name} ${n}`);
    const asked = [ask(0), ask(1)];
    await fault.goAway();
    asked.push(ask(2), ask(3), ask(4));
    await becomes(name, "open");
    expect(await gauge(name)).toBe(2);
    await fault.comeBack();
    for (const [n, one] of asked.entries()) await house.answered(one, `${name} ${n}`);
    await becomes(name, "closed");
    expect(await gauge(name)).toBe(0);
  });
});
