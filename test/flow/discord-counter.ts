import { expect, vi } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { answersIn, patience, ready, startDiscordBot } from "../failure/discord-bot.ts";
import type { Watched } from "../failure/process.ts";
import { openEmbeddedHome, type Home } from "../servers/databases.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";

type World = DiscordSimulator["world"];
type Gesture = Parameters<World["interact"]>[0];
type Interaction = ReturnType<World["interact"]>;

/** A server with an owner and four people, one of them a moderator; Ben reads Japanese. */
function furnish({ world }: DiscordSimulator) {
  const owner = world.addUser("owner");
  const ann = world.addUser("ann");
  const ben = world.addUser("ben", { locale: "ja" });
  const mod = world.addUser("mod");
  const dora = world.addUser("dora", { locale: "ja" });
  const guild = world.addGuild({ name: "House", ownerId: owner.id, members: [ann, ben] });
  const moderators = world.addRole(guild, { name: "moderators", permissions: ["manageGuild", "manageMessages"] });
  for (const one of [mod, dora]) world.addMember(guild, one, [moderators]);
  world.addMember(guild, world.reception);
  const general = world.addChannel(guild, { name: "general" });
  return { owner, ann, ben, mod, dora, guild, moderators, general };
}

/** A furnished server, and the real product in a process of its own behind Discord's commands. */
export async function openCounter(openHome: () => Promise<Home> = openEmbeddedHome) {
  const [discord, gemini, home] = await Promise.all([startDiscordSimulator(), startGeminiSimulator(), openHome()]);
  const { world } = discord;
  const house = furnish(discord);
  const { general, ann } = house;
  const env = {
    GEMINI_API_KEY: "x",
    GEMINI_BASE_URL: gemini.url,
    GEMINI_REQUESTS_PER_MINUTE: "1000",
    LOG_LEVEL: "trace",
  };
  let bot: Watched;
  let errors = "";
  const begun = () => discord.report().readies + discord.report().resumeds;
  const start = async (more: Readonly<Record<string, string>> = {}) => {
    const before = begun();
    bot = startDiscordBot(discord, home, { ...env, ...more });
    await ready(bot);
    await vi.waitFor(() => expect(begun()).toBeGreaterThan(before), patience);
    await vi.waitFor(() => expect(world.commands(world.reception).length).toBeGreaterThan(0), patience);
  };
  const end = async (signal: NodeJS.Signals) => {
    bot.kill(signal);
    const code = await bot.exited;
    errors += bot.errors();
    return code;
  };
  await start();

  /** Resolves when nothing waits to be answered, and what was answered is stored. */
  const settled = () => vi.waitFor(async () => expect((await bot.status()).inbox.waiting).toBe(0), patience);
  /** What was shown for an interaction, as it stands now. */
  const said = (record: Interaction) => record.messages.filter(({ deletedAt }) => deletedAt === null);
  const begin = (gesture: Omit<Gesture, "channel"> & { readonly channel?: Gesture["channel"] }) =>
    world.interact({ channel: general, ...gesture });
  /** Does it, and resolves to its record once the bot has shown something for it. */
  const use = async (gesture: Parameters<typeof begin>[0]) => {
    const record = begin(gesture);
    const words = () => said(record).filter(({ content }) => content !== "");
    await vi.waitFor(() => expect(words().length).toBeGreaterThan(0), patience);
    return record;
  };
  return {
    discord,
    gemini,
    world,
    house,
    me: `<@${world.reception.id}>`,
    begin,
    use,
    said,
    /** The words that a command is answered with in the end. */
    ask: async (gesture: Parameters<typeof begin>[0]) => said(await use(gesture)).at(-1)?.content ?? "",
    /** Presses the button that begins so, which changes the message it is on; resolves to the new words. */
    press: async (user: Gesture["user"], message: { readonly id: string; readonly content: string }, deed: string) => {
      const before = message.content;
      const custom = new RegExp(`"custom_id":"(${deed}:[^"]*)"`, "u");
      const button = custom.exec(JSON.stringify(world.message(message).components))?.[1] ?? deed;
      const { channelId: channel } = world.message(message);
      begin({ user, channel, button, message });
      await vi.waitFor(() => expect(world.message(message).content).not.toBe(before), patience);
      return world.message(message).content;
    },
    /** Says something to the bot and resolves to it with the bot's last answer to it, once that is stored. */
    talk: async (text: string, over: Partial<Parameters<World["say"]>[0]> = {}) => {
      const message = world.say({ channel: general, author: ann, text, ...over });
      const answer = () =>
        answersIn(discord, { id: message.channelId }).findLast(({ replyTo }) => replyTo === message.id);
      await vi.waitFor(() => expect(answer()?.components.length).toBeGreaterThan(0), patience);
      const found = answer();
      if (found === undefined) throw new Error("the answer is gone");
      await settled();
      return { message, answer: found };
    },
    settled,
    start,
    /** Stops the product as asked, or kills it. */
    stop: async () => expect(await end("SIGTERM")).toBe(0),
    kill: () => end("SIGKILL"),
    bot: () => bot,
    /** All that the processes have logged. */
    log: () => errors + bot.errors(),
    /** Looks into the database while the product is stopped. */
    look: async <T>(reading: (database: Database) => Promise<T>): Promise<T> => {
      const database = await home.openDatabase();
      try {
        return await reading(database);
      } finally {
        await database.close();
      }
    },
    close: async () => {
      await end("SIGKILL");
      await Promise.all([discord.close(), gemini.stop()]);
      await home.remove();
    },
  };
}

/** A link to a message, as Discord's clients copy it. */
export function linkTo(
  guild: { readonly id: string },
  message: { readonly id: string; readonly channelId: string },
): string {
  return `https://discord.com/channels/${guild.id}/${message.channelId}/${message.id}`;
}
