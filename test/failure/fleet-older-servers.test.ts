import { expect, it } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { findOtherRedis } from "../servers/other-redis.ts";
import { startRedis } from "../servers/redis.ts";
import { createServerDatabase, whyNoPostgres16, whyNoOtherRedis } from "../servers/shared.ts";
import { healthOf, openFleet } from "./fleet.ts";

const missing = (await whyNoPostgres16()) ?? (await whyNoOtherRedis("redis-6"));

describeUnless(missing, "a fleet on PostgreSQL 16 and Redis 6.2,", () => {
  it("makes its schema, answers everything once, in order, and remembers it", async () => {
    const postgres = await createServerDatabase("empty", "/postgres-16");
    const redis = await startRedis({}, await findOtherRedis("redis-6"));
    const fleet = await openFleet({ postgres: postgres.url, redis: redis.url });
    try {
      await fleet.migrate();
      await Promise.all([fleet.start("gateway"), fleet.start("worker"), fleet.start("worker")]);
      const used = fleet.processes.map(async (one) => [await healthOf(one, "postgres"), await healthOf(one, "redis")]);
      expect(await Promise.all(used)).toEqual(fleet.processes.map(() => ["healthy", "healthy"]));
      fleet.ask(12);
      await fleet.answeredOnce();
      await fleet.rememberedInRedis();
      fleet.withoutFault();
    } finally {
      await fleet.close();
      await Promise.all([redis.close(), postgres.drop()]);
    }
  });
});
