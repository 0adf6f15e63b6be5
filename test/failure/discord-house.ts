import { expect, vi } from "vitest";
import { openPglite } from "../../src/connections/pglite.ts";
import { openPostgres } from "../../src/connections/postgres.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, openServerRedis, whyNoPostgres, whyNoRedis } from "../servers/shared.ts";
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

/** Which processes the product is, and on which servers. */
export interface SetUp {
  readonly name: string;
  /** Those that answer stand last. */
  readonly roles: readonly ("all-in-one" | "gateway" | "worker")[];
  /** Why it cannot be had here. */
  readonly missing: string | null;
}

const alone: SetUp = { name: "alone", roles: ["all-in-one"], missing: null };

/** Gateway and worker, each a process of its own, on a server Postgres and on Redis. */
export async function apart(): Promise<SetUp> {
  const missing = (await whyNoPostgres()) ?? (await whyNoRedis());
  return { name: "as gateway and worker", roles: ["gateway", "worker"], missing };
}

/** What the product can be set up as. */
export const setUps = async (): Promise<readonly SetUp[]> => [alone, await apart()];

/** Describes the same guarantee in each set-up. */
export function describeInSetUps(title: string, all: readonly SetUp[], suite: (setUp: SetUp) => void): void {
  for (const setUp of all) describeUnless(setUp.missing, `${title}, ${setUp.name}`, () => suite(setUp));
}

/** Both simulators, a guild in one of them, and the real product in processes that use one data folder, or one server, one after the other. */
export interface House extends ReturnType<typeof furnish> {
  readonly discord: DiscordSimulator;
  readonly gemini: Simulator;
  readonly world: World;
  /** Starts what does not run of the product and resolves, when all of it is ready, to the process that answers. */
  readonly start: (env?: Readonly<Record<string, string>>, flags?: readonly string[]) => Promise<Watched>;
  /** All that run of the product. */
  readonly running: () => readonly Watched[];
  /** Another process that answers, where they are apart. */
  readonly startWorker: (env?: Readonly<Record<string, string>>) => Promise<Watched>;
  /** SIGKILL for all that answer, and nothing of them is left; a gateway of its own goes on. */
  readonly kill: () => Promise<void>;
  /** Asks the bot, as Ann in #general unless told otherwise; Mira answers "Re: " and the question unless `model` says otherwise. */
  readonly ask: (text: string, over?: { channel?: Ref; author?: Ref; model?: Behaviour }) => Message;
  /** Our messages that reply to this one, oldest first. */
  readonly repliesTo: (asked: Message) => readonly Message[];
  /** Resolves to the one answer to it, once it says this. */
  readonly answered: (asked: Message, words: string) => Promise<Message>;
  /** Resolves once the log of who was started last has a line with these words; `count` of them. */
  readonly logged: (words: string, count?: number) => Promise<void>;
  /** Turns that were given up, the newest first. */
  readonly buried: () => Promise<readonly { readonly reference: string; readonly error: string }[]>;
  /** As if the time were over that turns were put back for; where all is one process, only while it does not run. */
  readonly dueNow: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Where the processes of a house keep what they know. */
async function openStores({ roles }: SetUp) {
  const folder = await temporaryFolder();
  if (roles.includes("all-in-one")) return { data: folder.path, env: {}, remove: folder.remove };
  const [postgres, redis] = await Promise.all([createServerDatabase("migrated"), openServerRedis()]);
  return {
    data: folder.path,
    env: { POSTGRESQL_URL: postgres.url, REDIS_URL: redis.url },
    remove: async () => void (await Promise.all([postgres.drop(), redis.drop(), folder.remove()])),
  };
}

/** Opens a house; nothing of the product runs yet. */
export async function openHouse(options: DiscordSimulatorOptions = {}, setUp: SetUp = alone): Promise<House> {
  const [discord, gemini, stores] = await Promise.all([
    startDiscordSimulator(options),
    startGeminiSimulator(),
    openStores(setUp),
  ]);
  const rooms = furnish(discord);
  const { world } = discord;
  const answering = setUp.roles.at(-1) ?? "all-in-one";
  const processes: { readonly role: string; readonly bot: Watched; isOver: boolean }[] = [];
  const newest = (): Watched => {
    const bot = processes.findLast(({ role }) => role === answering)?.bot;
    if (bot === undefined) throw new Error("the bot was not started");
    return bot;
  };
  const begin = async (
    role: SetUp["roles"][number],
    env: Readonly<Record<string, string>>,
    flags: readonly string[],
  ) => {
    const model = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: gemini.url, GEMINI_REQUESTS_PER_MINUTE: "1000" };
    const bot = startDiscordBot(discord, stores, { ROLE: role, ...model, ...env }, flags);
    const one = { role, bot, isOver: false };
    processes.push(one);
    void bot.exited.then(() => (one.isOver = true));
    await ready(bot);
    return bot;
  };
  const end = async (role?: string) => {
    const ending = processes.filter((one) => role === undefined || one.role === role);
    for (const { bot } of ending) bot.kill("SIGKILL");
    await Promise.all(ending.map(({ bot }) => bot.exited));
  };
  const repliesTo = (asked: Message) =>
    answersIn(discord, { id: asked.channelId }).filter(({ replyTo }) => replyTo === asked.id);
  return {
    ...rooms,
    discord,
    gemini,
    world,
    start: async (env = {}, flags = []) => {
      const missing = setUp.roles.filter((role) => !processes.some((one) => one.role === role && !one.isOver));
      await Promise.all(missing.map((role) => begin(role, env, flags)));
      return newest();
    },
    running: () => processes.filter(({ isOver }) => !isOver).map(({ bot }) => bot),
    startWorker: (env = {}) => begin("worker", env, []),
    kill: () => end(answering),
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
      const lines = () => newest().log.filter(({ msg }) => String(msg).includes(words));
      await vi.waitFor(() => expect(lines().length).toBeGreaterThanOrEqual(count), patience);
    },
    buried: async () => (await newest().status()).inbox.lastBuried,
    dueNow: async () => {
      const url = stores.env.POSTGRESQL_URL;
      const database = await (url === undefined
        ? openPglite(stores.data)
        : openPostgres({ url, poolMin: 0, poolMax: 1, onIdleError: () => {} }));
      await database.query("update pgboss.job set start_after = now() where state in ('created', 'retry')");
      await database.close();
    },
    close: async () => {
      await end();
      await Promise.all([discord.close(), gemini.stop()]);
      await stores.remove();
    },
  };
}

/** Opens a house for one test, which may run beside others, and closes it again. */
export async function inHouse(
  options: DiscordSimulatorOptions,
  use: (house: House) => Promise<void>,
  setUp: SetUp = alone,
): Promise<void> {
  const house = await openHouse(options, setUp);
  try {
    await use(house);
  } finally {
    await house.close();
  }
}
