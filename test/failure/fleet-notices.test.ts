import { afterEach, expect, it, vi } from "vitest";
import { openPostgres } from "../../src/connections/postgres.ts";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { openFleet } from "./fleet.ts";

describeUnless(await whyNoPostgres(), "a promise to answer later", () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it("goes with its question also when that is deleted while no worker is there: the next one takes it back", async () => {
    const place = await createServerDatabase("migrated");
    const fleet = await openFleet({ postgres: place.url, redis: null });
    const database = await openPostgres({ url: place.url, poolMin: 0, poolMax: 1, onIdleError: () => {} });
    closing.push(fleet.close, () => database.close(), place.drop);
    const { discord, gemini, channel } = fleet;
    const [gateway, worker] = await Promise.all([
      fleet.start("gateway"),
      fleet.start("worker", { TURN_DEADLINE_SECONDS: "21" }),
    ]);
    gemini.script({ on: "generate", fault: "429-minute", retryDelaySeconds: 50 });
    fleet.ask(1);
    const said = () => answersIn(discord, channel).map(({ content }) => content);
    await vi.waitFor(() => expect(said()).toEqual([expect.stringMatching(/at about <t:\d+:T>/)]), patience);
    // What it said and did not live to note, nobody looks for once the question is gone.
    await vi.waitFor(async () => expect(await database.query("select from spoken")).toHaveLength(1), patience);
    worker.kill("SIGKILL");
    await worker.exited;
    const [asked] = discord.world.messages(channel.id);
    if (asked !== undefined) discord.world.delete(asked);
    await vi.waitFor(async () => expect((await gateway.status()).inbox.waiting).toBe(0), patience);
    expect(said()).toHaveLength(1);
    await fleet.start("worker");
    await vi.waitFor(() => expect(said()).toEqual([]), { ...patience, timeout: 15_000 });
  });
});
