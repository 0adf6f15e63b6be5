import { expect, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import {
  startDiscordSimulator,
  type DiscordSimulator,
  type DiscordSimulatorOptions,
} from "../simulators/discord/simulator.ts";
import { startGeminiSimulator, type Behaviour, type Simulator } from "../simulators/gemini/simulator.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import type { Watched } from "./process.ts";

type World = DiscordSimulator["world"];
type Ref = Parameters<World["messages"]>[0];
type Message = ReturnType<World["message"]>;

/** Both simulators, a guild in one of them, and the real product in processes that use one data folder one after the other. */
export interface House extends ReturnType<typeof furnish> {
  readonly discord: DiscordSimulator;
  readonly gemini: Simulator;
  readonly world: World;
  /** Starts the product and resolves when it is ready. */
  readonly start: (env?: Readonly<Record<string, string>>, flags?: readonly string[]) => Promise<Watched>;
  /** SIGKILL, and nothing of it is left. */
  readonly kill: () => Promise<void>;
  /** Asks the bot, as Ann in #general unless told otherwise; Mira answers "Re: " and the question unless `model` says otherwise. */
  readonly ask: (text: string, over?: { channel?: Ref; author?: Ref; model?: Behaviour }) => Message;
  /** Our messages that reply to this one, oldest first. */
  readonly repliesTo: (asked: Message) => readonly Message[];
  /** Resolves to the one answer to it, once it says this. */
  readonly answered: (asked: Message, words: string) => Promise<Message>;
  /** Resolves once the log has a line with these words; `count` of them. */
  readonly logged: (words: string, count?: number) => Promise<void>;
  /** Turns that were given up, the newest first. */
  readonly buried: () => Promise<readonly { readonly reference: string; readonly error: string }[]>;
  readonly close: () => Promise<void>;
}

/** Opens a house; nothing of the product runs yet. */
export async function openHouse(options: DiscordSimulatorOptions = {}): Promise<House> {
  const [discord, gemini, folder] = await Promise.all([
    startDiscordSimulator(options),
    startGeminiSimulator(),
    temporaryFolder(),
  ]);
  const rooms = furnish(discord);
  const { world } = discord;
  let bot: Watched | null = null;
  const running = (): Watched => {
    if (bot === null) throw new Error("the bot was not started");
    return bot;
  };
  const kill = async () => {
    bot?.kill("SIGKILL");
    await bot?.exited;
  };
  const repliesTo = (asked: Message) =>
    answersIn(discord, { id: asked.channelId }).filter(({ replyTo }) => replyTo === asked.id);
  return {
    ...rooms,
    discord,
    gemini,
    world,
    start: async (env = {}, flags = []) => {
      const model = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: gemini.url, GEMINI_REQUESTS_PER_MINUTE: "1000" };
      bot = startDiscordBot(discord, { data: folder.path, env: {} }, { ...model, ...env }, flags);
      await ready(bot);
      return bot;
    },
    kill,
    ask: (text, { channel = rooms.general, author = rooms.ann, model = {} } = {}) => {
      const when = JSON.stringify(`>${text}</message>`).slice(1, -1);
      gemini.script({ on: "generate", when, times: null, reply: { agent: "mira", reply: `Re: ${text}` }, ...model });
      return world.say({ channel, author, text: `<@${world.reception.id}> ${text}` });
    },
    repliesTo,
    answered: async (asked, words) => {
      await vi.waitFor(() => {
        const said = repliesTo(asked).map(({ content }) => content);
        expect(said).toEqual([expect.stringContaining(words)]);
      }, patience);
      const [answer] = repliesTo(asked);
      if (answer === undefined) throw new Error("the answer is gone again");
      return answer;
    },
    logged: async (words, count = 1) => {
      const lines = () => running().log.filter(({ msg }) => String(msg).includes(words));
      await vi.waitFor(() => expect(lines().length).toBeGreaterThanOrEqual(count), patience);
    },
    buried: async () => (await running().status()).inbox.lastBuried,
    close: async () => {
      await kill();
      await Promise.all([discord.close(), gemini.stop()]);
      await folder.remove();
    },
  };
}

/** Opens a house for one test, which may run beside others, and closes it again. */
export async function inHouse(options: DiscordSimulatorOptions, use: (house: House) => Promise<void>): Promise<void> {
  const house = await openHouse(options);
  try {
    await use(house);
  } finally {
    await house.close();
  }
}
