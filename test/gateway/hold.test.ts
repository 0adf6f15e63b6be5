import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import type { Heard } from "../../src/gateway/dispatch.ts";
import { advance } from "../../src/gateway/leases.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { furnish } from "../failure/discord-bot.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGateway } from "./one-gateway.ts";

const patience = { timeout: 20_000, interval: 20 };

describe("a gateway that may hold ten events, while nothing can be stored", () => {
  let database: Database;
  let discord: DiscordSimulator;
  let gateway: Component;
  let room: ReturnType<typeof furnish>;
  let lines: readonly Record<string, unknown>[];
  let heard: Heard[];
  let stored: { readonly heard: Heard; readonly sessionId: string }[];
  let isAway: boolean;
  beforeEach(async () => {
    [heard, stored, isAway] = [[], [], true];
    [database, discord] = await Promise.all([openFreshDatabase(), startDiscordSimulator()]);
    room = furnish(discord);
    const refuse = () => {
      if (isAway) throw new Error("the database is away");
    };
    ({ gateway, lines } = await startGateway(discord.url, {
      database: {
        ...database,
        query: async (...asked) => {
          // Leases are another matter: this one was granted just before.
          if (asked[0] === "select 1") refuse();
          return database.query(...asked);
        },
      },
      leaseMs: 60_000,
      holdEvents: 10,
      store: async (lease, batch, progress) => {
        refuse();
        await database.transaction((tx) => advance(tx, lease, progress));
        stored.push(...batch.map((one) => ({ heard: one, sessionId: progress.sessionId })));
      },
      onHeard: (one) => void heard.push(one),
    }));
    await vi.waitFor(() => expect(heard.map(({ kind }) => kind)).toEqual(["ready", "guild"]), patience);
  });
  afterEach(async () => {
    isAway = false;
    await gateway.stop(AbortSignal.timeout(5_000));
    await Promise.all([database.close(), discord.close()]);
  });
  const say = (from: number, to: number) => {
    for (let n = from; n <= to; n += 1)
      discord.world.say({ channel: room.general, author: room.ann, text: `message ${n}` });
  };
  const hungUp = async () => {
    const said = () => lines.filter(({ msg }) => String(msg).startsWith("too many events wait for Postgres"));
    await vi.waitFor(() => expect(said()).toMatchObject([{ held: 10 }]), patience);
    await vi.waitFor(() => expect(discord.report().liveSockets).toBe(0), patience);
  };
  const words = () => stored.flatMap(({ heard: one }) => (one.kind === "message" ? [one.message.content] : []));

  it("hangs up also when not even READY is stored, and then hears the rest of that session", async () => {
    say(1, 40);
    await hungUp();
    say(41, 50);
    isAway = false;
    await vi.waitFor(() => expect(words()).toHaveLength(50), patience);
    expect(words()).toEqual(Array.from({ length: 50 }, (_, n) => `message ${n + 1}`));
    expect(discord.report()).toMatchObject({ identifies: 1, refusedResumes: [] });
  });

  it("begins anew the session whose READY it let go, and does not take the number of the one before for its own", async () => {
    isAway = false;
    await vi.waitFor(() => expect(stored).toHaveLength(2), patience);
    isAway = true;
    say(1, 10);
    await vi.waitFor(() => expect(heard).toHaveLength(12), patience);
    discord.faults.invalidate(false);
    await hungUp();
    // Now the session that nobody knows has numbers beyond those of the one that is stored.
    say(11, 50);
    isAway = false;
    const sessions = () => Map.groupBy(stored, ({ sessionId }) => sessionId);
    await vi.waitFor(() => expect(sessions().size).toBe(2), patience);
    expect([...sessions().values()].map(([first]) => first?.heard.kind)).toEqual(["ready", "ready"]);
    expect(discord.report()).toMatchObject({ identifies: 3, refusedResumes: [] });
  });
});
