import { expect, vi } from "vitest";
import { answersIn, patience, ready, startDiscordBot } from "../failure/discord-bot.ts";
import type { Watched } from "../failure/process.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { openPglite } from "../../src/connections/pglite.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";

type World = DiscordSimulator["world"];
type Gesture = Parameters<World["interact"]>[0];

/** A server with people of several kinds, and the real product in a process of its own behind Discord's commands. */
export async function openCounter() {
  const [discord, gemini, folder] = await Promise.all([
    startDiscordSimulator(),
    startGeminiSimulator(),
    temporaryFolder(),
  ]);
  const { world } = discord;
  const owner = world.addUser("owner");
  const ann = world.addUser("ann");
  const ben = world.addUser("ben", { locale: "ja" });
  const guild = world.addGuild({ name: "House", ownerId: owner.id, members: [ann, ben] });
  world.addMember(guild, world.reception);
  const general = world.addChannel(guild, { name: "general" });
  const house = { owner, ann, ben, guild, general };

  const env = {
    GEMINI_API_KEY: "x",
    GEMINI_BASE_URL: gemini.url,
    GEMINI_REQUESTS_PER_MINUTE: "1000",
    LOG_LEVEL: "trace",
  };
  let bot: Watched;
  let errors = "";
  const start = async () => {
    bot = await startDiscordBot(discord, { data: folder.path, env: {} }, env);
    await ready(bot);
    await vi.waitFor(() => expect(world.commands(world.reception).length).toBeGreaterThan(0), patience);
  };
  const stop = async () => {
    bot.kill("SIGTERM");
    expect(await bot.exited).toBe(0);
    errors += bot.errors();
  };
  await start();

  /** Does it, and resolves to its record once the bot has filled the deferred response or whispered. */
  const use = async (gesture: Omit<Gesture, "channel"> & { readonly channel?: Gesture["channel"] }) => {
    const record = world.interact({ channel: general, ...gesture });
    const isPress = gesture.button !== undefined;
    const isDone = () => (isPress ? said(record).length > 0 : record.repliedAfterMs !== null);
    await vi.waitFor(() => expect(isDone()).toBe(true), patience);
    return record;
  };
  /** What was shown for an interaction, as it stands now. */
  const said = (record: ReturnType<World["interact"]>) => record.messages.filter(({ deletedAt }) => deletedAt === null);
  const me = `<@${world.reception.id}>`;
  /** Says something to the bot and resolves to its last answer to it. */
  const talk = async (text: string, over: Partial<Parameters<World["say"]>[0]> = {}) => {
    const message = world.say({ channel: general, author: ann, text, ...over });
    const answer = () =>
      answersIn(discord, { id: message.channelId }).findLast(({ replyTo }) => replyTo === message.id);
    await vi.waitFor(() => expect(answer()?.components.length).toBeGreaterThan(0), patience);
    return { message, answer: answer()! };
  };
  return {
    discord,
    gemini,
    world,
    house,
    me,
    use,
    said,
    talk,
    start,
    stop,
    bot: () => bot,
    /** All that the process has logged in its lives. */
    log: () => errors + bot.errors(),
    /** Reads the database while the product is stopped. */
    look: async <T>(reading: (database: Awaited<ReturnType<typeof openPglite>>) => Promise<T>): Promise<T> => {
      const database = await openPglite(folder.path);
      try {
        return await reading(database);
      } finally {
        await database.close();
      }
    },
    close: async () => {
      bot.kill("SIGKILL");
      await bot.exited;
      await Promise.all([discord.close(), gemini.stop()]);
      await folder.remove();
    },
  };
}
