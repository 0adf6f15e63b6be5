import { afterAll, beforeAll, expect, it } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { whyNoOwnPostgres, whyNoOwnRedis } from "../servers/shared.ts";
import { openFleet, type Fleet } from "./fleet.ts";
import { hourMs, withClock } from "./wrong-clock.ts";

const missing = (await whyNoOwnPostgres()) ?? (await whyNoOwnRedis());

describeUnless(missing, "a fleet whose clocks are an hour apart", () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  let fleet: Fleet;
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    fleet = await openFleet({ postgres: (await postgres.createDatabase()).url, redis: redis.url });
    await fleet.migrate();
  });
  afterAll(async () => {
    await fleet.close();
    await Promise.all([postgres.close(), redis.close()]);
  });

  it("answers everything once, in order, within the limits, also when another gateway takes over", async () => {
    const [first] = await Promise.all([
      fleet.start("gateway", withClock(hourMs)),
      fleet.start("worker", withClock(-hourMs)),
      fleet.start("worker", withClock(hourMs)),
    ]);
    const lines = first.log.map(({ time }) => Number(new Date(String(time))) - Date.now());
    expect(Math.min(...lines), "its clock is right after all").toBeGreaterThan(hourMs / 2);
    fleet.ask(12);
    await fleet.answeredOnce();
    await fleet.start("gateway", withClock(-hourMs));
    fleet.ask(6);
    first.kill("SIGKILL");
    fleet.ask(6);
    await fleet.answeredOnce();
    expect(fleet.discord.report().identifies).toBe(1);
    fleet.withoutFault();
  });
});
