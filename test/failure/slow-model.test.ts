import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";
import type { TestDatabase } from "../servers/postgres.ts";
import { openHouse, type House } from "./discord-house.ts";
import type { Watched } from "./process.ts";

const patience = { timeout: 60_000, interval: 25 };

describeUnless(await whyNoPostgres(), "a model that hangs in every lane", () => {
  let house: House;
  let bot: Watched;
  let database: Pick<TestDatabase, "url" | "drop">;
  beforeAll(async () => {
    [house, database] = await Promise.all([openHouse(), createServerDatabase("empty")]);
    // One connection for everything: whoever held it while the model thinks would stop the process.
    const env = { POSTGRESQL_URL: database.url, POSTGRES_POOL_MAX_SIZE: "1", LANES: "4", TURN_DEADLINE_SECONDS: "30" };
    bot = await house.start(env);
  });
  afterAll(async () => {
    await house.close();
    await database.drop();
  });

  it("holds no connection: messages are kept, health and status answer, and all are answered when it is over", async () => {
    const channels = Array.from({ length: 4 }, (_, n) => house.world.addChannel(house.guild, { name: `slow-${n}` }));
    const hang = { fault: "hang" } as const;
    const slow = channels.map((channel, n) => house.ask(`slow ${n}`, { channel, model: { ...hang, times: 1 } }));
    const reached = () => house.gemini.requests.filter(({ operation }) => !/embed/i.test(operation)).length;
    await vi.waitFor(() => expect(reached()).toBe(4), patience);

    const more = channels.map((channel, n) => house.ask(`more ${n}`, { channel }));
    await vi.waitFor(async () => expect((await bot.status()).inbox.waiting).toBeGreaterThanOrEqual(8), patience);
    expect((await bot.get("/health/ready")).status).toBe(200);
    expect((await bot.status()).circuit_breakers["postgres"]).toMatchObject({ state: "closed" });

    for (const [n, one] of more.entries()) await house.answered(one, `Re: more ${n}`);
    for (const one of slow) await house.answered(one, "");
  });
});
