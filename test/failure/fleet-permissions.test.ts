import { afterEach, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";
import { patience } from "./discord-bot.ts";
import { openFleet } from "./fleet.ts";

describeUnless(await whyNoPostgres(), "what may be done where", () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it("is known to every worker by the next message, also to those that have just looked", async () => {
    const place = await createServerDatabase("migrated");
    const fleet = await openFleet({ postgres: place.url, redis: null });
    closing.push(fleet.close, place.drop);
    const [, worker] = await Promise.all([fleet.start("gateway"), fleet.start("worker")]);
    const { world } = fleet.discord;
    fleet.ask(3);
    await fleet.answeredOnce();
    world.setChannel(fleet.channel, { overwrites: [{ of: world.reception.id, deny: ["sendMessages"] }] });
    fleet.ask(1);
    await vi.waitFor(async () => expect((await worker.status()).inbox.buried).toBe(1), patience);
    expect((await worker.status()).inbox.lastBuried[0]?.error).toMatch(/give its role View Channel and Send Messages/);
    expect(fleet.discord.report().restStatuses["403"]).toBeUndefined();
  });
});
