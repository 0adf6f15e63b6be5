import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { describeUnless, openServerHome, type Home } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import type { Watched } from "./process.ts";

type Ref = { readonly id: string };

describeUnless(await whyNoPostgres(), "what was said in a place that is gone from Discord", () => {
  let simulator: DiscordSimulator;
  let house: ReturnType<typeof furnish>;
  let home: Home;
  let database: Database;
  let bot: Watched;
  const start = async () => {
    bot = startDiscordBot(simulator, home);
    await ready(bot);
  };
  beforeEach(async () => {
    [home, simulator] = await Promise.all([openServerHome(), startDiscordSimulator()]);
    house = furnish(simulator);
    await start();
    database = await home.openDatabase();
  });
  afterEach(async () => {
    await database.close();
    bot.kill("SIGKILL");
    await bot.exited;
    await simulator.close();
    await home.remove();
  });

  /** Something is said there, and a question is answered and remembered. */
  const talkIn = async (channel: Ref) => {
    const { world } = simulator;
    world.say({ channel, author: house.ann, text: "my bicycle is called Rocinante" });
    const asked = world.say({ channel, author: house.ann, text: `<@${world.reception.id}> what is it called?` });
    const answers = () => answersIn(simulator, channel).filter(({ replyTo }) => replyTo === asked.id);
    await vi.waitFor(() => expect(answers()).toHaveLength(1), patience);
    await vi.waitFor(async () => expect(await leftOf(channel)).toMatchObject({ memories: 3 }), patience);
  };
  const leftOf = async ({ id }: Ref) => {
    const [left] = await database.query<{ turns: number; open: number; memories: number }>(
      `select count(*) filter (where text <> '' or author_name <> '' or draft is not null)::int as turns,
         count(*) filter (where state in ('waiting', 'answering', 'drafted'))::int as open,
         (select count(*)::int from memories where conversation_id = $1) as memories
       from turns where conversation_id = $1`,
      [id],
    );
    return left;
  };
  const isForgotten = (place: Ref) =>
    vi.waitFor(async () => expect(await leftOf(place)).toEqual({ turns: 0, open: 0, memories: 0 }), patience);

  it("is forgotten: in a thread alone, in a channel with its threads, also when there was much of it", async () => {
    const { world } = simulator;
    const { general, guild, ann } = house;
    const old = world.addChannel(guild, { name: "old" });
    const plans = world.addThread(general, { name: "plans", owner: ann });
    const within = world.addThread(old, { name: "within", owner: ann });
    for (const place of [general, old, plans, within]) await talkIn(place);
    const before = await leftOf(general);
    world.removeChannel(plans);
    await isForgotten(plans);
    expect(await leftOf(general)).toEqual(before);
    for (let i = 0; i < 700; i += 1) world.say({ channel: old, author: ann, text: `and ${i}` });
    world.removeChannel(old);
    await isForgotten(old);
    await isForgotten(within);
    await vi.waitFor(async () => {
      const rows = await database.query("select 1 from channels where channel_id = any($1)", [[old.id, within.id]]);
      expect(rows).toEqual([]);
    }, patience);
    expect(await leftOf(general)).toEqual(before);
  });

  it("while nobody listened is forgotten with the next session", async () => {
    const { world } = simulator;
    const old = world.addChannel(house.guild, { name: "old" });
    for (const place of [house.general, old]) await talkIn(place);
    bot.kill("SIGKILL");
    await bot.exited;
    world.removeChannel(old);
    simulator.faults.expireSessions();
    await start();
    await isForgotten(old);
    expect(await leftOf(house.general)).toMatchObject({ memories: 3 });
  });

  it("is kept through an outage of its server, and after the bot was removed from it", async () => {
    const { world } = simulator;
    await talkIn(house.general);
    const before = await leftOf(house.general);
    world.setUnavailable(house.guild, true);
    world.setUnavailable(house.guild, false);
    await talkIn(world.addChannel(house.guild, { name: "other" }));
    expect(await leftOf(house.general)).toEqual(before);
    world.removeMember(house.guild, world.reception);
    await vi.waitFor(async () => expect(await database.query("select 1 from guilds")).toEqual([]), patience);
    expect(await leftOf(house.general)).toEqual(before);
  });
});
