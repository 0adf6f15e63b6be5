import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { makeNotices, type Notices } from "../../src/connections/notices.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeVoicesOf } from "../../src/roles/discord.ts";
import { neverOpen } from "../resilience/unguarded.ts";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";

const log = pino({ level: "silent" });
const never = new AbortController().signal;

describeUnless(await whyNoPostgres(), "Discord's 50 requests a second", () => {
  let place: Awaited<ReturnType<typeof createServerDatabase>>;
  let discord: DiscordSimulator;
  let open: Notices[];
  const join = async (role: string): Promise<Notices> => {
    const notices = makeNotices({ url: place.url, role, log });
    open.push(notices);
    await notices.start(never, () => {});
    return notices;
  };
  beforeEach(async () => {
    open = [];
    [place, discord] = await Promise.all([createServerDatabase("empty"), startDiscordSimulator()]);
  });
  afterEach(async () => {
    await Promise.all(open.map((notices) => notices.stop(AbortSignal.timeout(1_000))));
    await Promise.all([place.drop(), discord.close()]);
  });

  it("are divided by all processes that send: gateways, workers, and those that do both", async () => {
    const { world } = discord;
    const guild = world.addGuild({ name: "House", ownerId: world.addUser("ann").id });
    world.addMember(guild, world.reception);
    // Each of its own route, which the library slows down by itself.
    const channels = Array.from({ length: 22 }, (_, n) => world.addChannel(guild, { name: `channel-${n}` }));
    for (const role of ["gateway", "gateway", "worker", "all-in-one"]) await join(role);
    const notices = await join("worker");
    const env = { DISCORD_TOKEN: "sim-reception-token-0000", DISCORD_API_URL: `${discord.url}/api` };
    const { rest } = makeVoicesOf(
      { config: readConfig(env), metrics: makeMetrics(), log },
      { notices, settings: { current: () => ({ agents: [] }) }, breakers: { discord: neverOpen() } },
    );
    const startedAt = Date.now();
    const ask = (id: string) => rest.call({ method: "GET", path: `/channels/${id}`, repeatable: true }, never);
    await Promise.all(channels.map(({ id }) => ask(id)));
    // Of five processes each has ten a second, and begins the last of 22 in the third. Of four it would be twelve.
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1_950);
    await vi.waitFor(() => expect(notices.processes("all-in-one", "gateway", "worker")).toBe(5));
  });
});
