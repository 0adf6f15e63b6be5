import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { askRedis, whyNoOwnPostgres, whyNoOwnRedis } from "../servers/shared.ts";
import { patience } from "./discord-bot.ts";
import { havePassed, healthOf, keptBy, openFleet, type Fleet } from "./fleet.ts";
import { partOf, type Watched } from "./process.ts";

const missing = (await whyNoOwnPostgres()) ?? (await whyNoOwnRedis());

describeUnless(missing, "a fleet whose Redis goes away in a burst answers everything once, in order", () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  let fleet: Fleet;
  let workers: readonly Watched[];
  let total = 0;
  const ask = (count: number) => {
    fleet.ask(count);
    total += count;
  };
  const each = async (see: (one: Watched) => Promise<void>, those = fleet.processes) => {
    await Promise.all(those.map((one) => vi.waitFor(() => see(one), patience)));
  };
  /** None is ever unready for want of Redis. A check of another part that a busy machine answers too late is asked again. */
  const allReady = async () => {
    const seen: boolean[] = [];
    await each(async (one) => {
      const answer = await one.get("/health/ready");
      seen.push(((await answer.json()) as { components: { redis: boolean } }).components.redis);
      expect(answer.status).toBe(200);
    });
    expect(new Set(seen)).toEqual(new Set([true]));
  };
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    fleet = await openFleet({ postgres: (await postgres.createDatabase()).url, redis: redis.url });
    await fleet.migrate();
    [, ...workers] = await Promise.all([fleet.start("gateway"), fleet.start("worker"), fleet.start("worker")]);
  });
  afterAll(async () => {
    await fleet.close();
    await Promise.all([postgres.close(), redis.close()]);
  });

  it("shares the model's limits among those that ask it: gateways do not", async () => {
    await each(async (one) => expect((await partOf(one, "limits"))?.details).toMatchObject({ processes: 2 }), workers);
  });

  it.each<[string, number, () => Promise<void>, () => Promise<void>]>([
    ["stopped", 1, () => redis.stop(), () => redis.start()],
    ["killed", 60, () => redis.kill(), () => redis.start()],
    ["frozen", 1, () => redis.freeze(), () => redis.thaw()],
  ])(
    "when it is %s, for %i s at least",
    async (_, seconds, goAway, comeBack) => {
      ask(6);
      await fleet.answered(total - 3);
      // One that has just started has no share of the limits yet, and would wait for a minute without Redis.
      await each(async (one) => expect(await keptBy(one)).toBeGreaterThanOrEqual(18), workers);
      ask(6);
      await goAway();
      const since = Date.now();
      ask(6);
      await each(async (one) => expect(await healthOf(one, "redis")).toBe("degraded"));
      await allReady();
      await fleet.answeredOnce();
      await havePassed(seconds, since);
      ask(6);
      await fleet.answered(total - 3);
      await comeBack();
      ask(6);
      await each(async (one) => expect(await healthOf(one, "redis")).toBe("healthy"));
      await fleet.answeredOnce();
      // What is said now is read from Postgres where Redis knows nothing, and kept there again.
      ask(3);
      await fleet.answeredOnce();
      await fleet.rememberedInRedis();
      fleet.withoutFault();
    },
    240_000,
  );

  it("when it is flushed and restarted again and again", async () => {
    for (let i = 0; i < 3; i += 1) {
      ask(6);
      await fleet.answered(total - 4);
      expect(await askRedis(redis.url, "FLUSHALL")).toContain("+OK");
      ask(3);
      await redis.stop();
      await redis.start();
    }
    await fleet.answeredOnce();
    await each(async (one) => expect(await healthOf(one, "redis")).toBe("healthy"));
    ask(3);
    await fleet.answeredOnce();
    await fleet.rememberedInRedis();
    await allReady();
    fleet.withoutFault();
    expect(fleet.discord.report().identifies).toBe(1);
  });
});
