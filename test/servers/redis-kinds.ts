import { describeUnless } from "./databases.ts";
import { findOtherRedis, type OtherRedis } from "./other-redis.ts";
import type { TestDatabase } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { openServerRedis, whyNoOtherRedis, whyNoRedis } from "./shared.ts";

const others: Readonly<Record<string, OtherRedis>> = { "on Redis 6.2": "redis-6", "on Valkey": "valkey-8" };

/** Describes the same guarantee on the run's Redis server, on the oldest that the product runs on, and on Valkey; `open` gives an empty database. */
export async function describeOnEachRedis(suite: (open: () => Promise<TestDatabase>) => void): Promise<void> {
  describeUnless(await whyNoRedis(), "on a Redis server,", () => suite(openServerRedis));
  for (const [title, name] of Object.entries(others))
    describeUnless(await whyNoOtherRedis(name), `${title},`, () =>
      suite(async () => {
        const server = await startRedis({}, await findOtherRedis(name));
        return { url: server.url, drop: () => server.close() };
      }),
    );
}
