import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { describeUnless, openServerHome, type Home } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import {
  startDiscordSimulator,
  type DiscordSimulator,
  type DiscordSimulatorOptions,
} from "../simulators/discord/simulator.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import type { Watched } from "./process.ts";

describeUnless(await whyNoPostgres(), "the guilds of a bot", () => {
  let simulator: DiscordSimulator;
  let home: Home;
  let bots: Watched[];
  const open = async (options: DiscordSimulatorOptions = {}) => {
    simulator = await startDiscordSimulator(options);
    return furnish(simulator);
  };
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    const bot = startDiscordBot(simulator, home, env);
    bots.push(bot);
    return bot;
  };
  const shardsOf = async (bot: Watched) => {
    const { components } = (await (await bot.get("/health")).json()) as {
      components: Record<string, { details: Record<string, number> }>;
    };
    return components["gateway"]?.details;
  };
  /** Guilds of both of two shards, each with a channel. */
  const sixHouses = (ownerId: string) => {
    const { world } = simulator;
    const houses = Array.from({ length: 6 }, (_, i) => {
      const guild = world.addGuild({ name: `House ${i}`, ownerId });
      world.addMember(guild, world.reception);
      return { shard: world.shardOf(guild, 2), channel: world.addChannel(guild, { name: "hall" }) };
    });
    expect(new Set(houses.map(({ shard }) => shard)), "all guilds are in one shard").toEqual(new Set([0, 1]));
    return houses;
  };
  const answered = async (channel: { readonly id: string }, author: { readonly id: string }, text: string) => {
    const { world } = simulator;
    const asked = world.say({ channel, author, text: `<@${world.reception.id}> ${text}` });
    const answers = () => answersIn(simulator, channel).filter(({ replyTo }) => replyTo === asked.id);
    await vi.waitFor(() => expect(answers()).toHaveLength(1), patience);
  };
  beforeEach(async () => {
    home = await openServerHome();
    bots = [];
  });
  afterEach(async () => {
    for (const bot of bots) bot.kill("SIGKILL");
    await Promise.all(bots.map((bot) => bot.exited));
    await simulator.close();
    await home.remove();
  });

  it("are shared by the processes, each shard held by one; who is left takes over what another held", async () => {
    const { ann } = await open({ recommendedShards: 2 });
    const houses = sixHouses(ann.id);
    const [first, second] = await Promise.all([start(), start()]);
    // One that is there five seconds before the other has both by then.
    const [ofFirst, ofSecond] = await vi.waitFor(async () => {
      const [one = 0, two = 0] = (await Promise.all([shardsOf(first), shardsOf(second)])).map((its) => its?.["ready"]);
      expect(one + two).toBe(2);
      return [one, two] as const;
    }, patience);
    for (const { channel } of houses) await answered(channel, ann, "hello");
    const [lost, left] = ofFirst >= ofSecond ? [first, second] : [second, first];
    lost.kill("SIGKILL");
    await lost.exited;
    for (const { channel } of houses) await answered(channel, ann, "still there?");
    expect(await shardsOf(left)).toMatchObject({ shards: 2, ready: 2 });
    const { identifies, identifyTimes, refusedIdentifies } = simulator.report();
    expect([identifies, refusedIdentifies]).toEqual([2, []]);
    const [one = 0, two = 0] = Object.values(identifyTimes)
      .flat()
      .sort((a, b) => a - b);
    expect(two - one, "Discord allows one IDENTIFY in five seconds").toBeGreaterThanOrEqual(5_000);
  });

  it("are divided among as many shards as it is told, whatever Discord recommends, and heard in each", async () => {
    const { ann } = await open({ recommendedShards: 1 });
    const houses = sixHouses(ann.id);
    const bot = await start({ DISCORD_SHARDS: "2" });
    await vi.waitFor(async () => expect(await shardsOf(bot)).toMatchObject({ shards: 2, ready: 2 }), patience);
    for (const { channel } of houses) await answered(channel, ann, "hello");
    expect(simulator.report()).toMatchObject({ identifies: 2, refusedIdentifies: [] });
  });

  it("are as many as it is told: in the others nothing is heard", async () => {
    const { ann, guild, general } = await open();
    const { world } = simulator;
    const other = world.addGuild({ name: "Elsewhere", ownerId: ann.id });
    world.addMember(other, world.reception);
    const far = world.addChannel(other, { name: "far" });
    const bot = await start({ TARGET_GUILD_ID: guild.id });
    await ready(bot);
    world.say({ channel: far, author: ann, text: `<@${world.reception.id}> do you hear me?` });
    await answered(general, ann, "and you?");
    expect(answersIn(simulator, far)).toEqual([]);
    const database = await home.openDatabase();
    const rows = await database.query("select guild_id from turns union select guild_id from guilds");
    await database.close();
    expect(rows).toEqual([{ guild_id: guild.id }]);
  });
});
