import { describe, expect, it, vi } from "vitest";
import { migrate } from "../../src/connections/migrate.ts";
import { openPglite } from "../../src/connections/pglite.ts";
import { templatePath } from "../../src/connections/template.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { makeLogger } from "../../src/log.ts";
import { makeSeat } from "../../src/terminal/place.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startGeminiSimulator, type Behaviour, type Simulator } from "../simulators/gemini/simulator.ts";
import { startWatched, type Watched } from "./process.ts";
import { byItself } from "../inbox/by-itself.ts";

type Wrong = Pick<Behaviour, "fault" | "finishReason" | "reply" | "chunkMs">;

/** What goes wrong before the first word of an answer; another try may help. */
const silent = {
  "a hanging request": { fault: "hang" },
  "HTML with 502": { fault: "502-html" },
  "HTML with 200": { fault: "200-html" },
} as const satisfies Record<string, Wrong>;

/** Words that arrive together with what breaks them off are thrown away by the SDK, as if it had been silent. */
const chunkMs = 50;

/** What goes wrong when something was written already; another try may help. */
const halfway = {
  "a stream that is cut": { fault: "cut", chunkMs },
  "a connection that is reset": { fault: "reset-mid", chunkMs },
  "an error inside 200": { fault: "error-in-200", chunkMs },
  "half of a JSON event": { fault: "half-json", chunkMs },
} as const satisfies Record<string, Wrong>;

/** What goes wrong for good, or until the deadline. */
const final = {
  "a stream that stands still": { fault: "hang-mid", chunkMs },
  "a safety block": { finishReason: "SAFETY" },
  "a reply that is no reply": { reply: '{"agent": 7}' },
} as const satisfies Record<string, Wrong>;

const truth = { agent: "mira", reply: "It is true." };
const broken = /My model broke off here|The model's safety filter stopped|it came out garbled twice/;
const apology = /^I am sorry, .+ \(reference (\w+)\)\.$/;
const quick = { TURN_DEADLINE_SECONDS: "3" };

describe.concurrent("a model that fails", () => {
  // The longest first: only a few run side by side.
  it("for ever, for conversations side by side: one apology for each, though one breaker holds them all", async () => {
    await during({ ...quick, LANES: "4" }, async ({ simulator, start, folder }) => {
      simulator.script({ fault: "502-html", on: "generate", times: null });
      const ids = await keepMessages(folder, ["red", "green", "blue", "black", "white"]);
      const bot = await start();
      await answered(bot, ids.length);
      expect(new Set(bot.answers.map((answer) => answer.messageId))).toEqual(new Set(ids));
      await buried(bot, ids.length);
      await endWell(bot);
    });
  }, 150_000);

  it("for ever, by HTML with 502, while something is remembered: a question is answered from memory, and says so", async () => {
    await during(quick, async ({ simulator, start }) => {
      const bot = await start();
      bot.say("My cat is called Miso.");
      await answered(bot, 1);
      simulator.script({ fault: "502-html", on: "generate", times: null });
      bot.say("What is my cat called?");
      await answered(bot, 2);
      expect(bot.answers[1]).toMatchObject({ model: "memory", text: expect.stringMatching(/not available.+\n.*Miso/) });
      await endWell(bot);
    });
  }, 120_000);

  it("for ever, by hanging requests: three attempts within their deadlines, then one apology that /status knows", async () => {
    // A busy machine may need some of these seconds until the request is out.
    await during({ TURN_DEADLINE_SECONDS: "6" }, async ({ simulator, start }) => {
      simulator.script({ fault: "hang", on: "generate", times: null });
      const bot = await start();
      bot.say("One.");
      await answered(bot, 1);
      expect(simulator.requests.filter((request) => request.operation === "streamGenerateContent")).toHaveLength(3);
      await buried(bot, 1);
      await endWell(bot);
    });
  }, 120_000);

  it.each(Object.entries({ ...halfway, ...final }))(
    "for ever, by %s: one honest sentence for each message",
    async (_name, wrong) => {
      await during(quick, async ({ simulator, start }) => {
        simulator.script({ ...wrong, on: "generate", times: null });
        const bot = await start();
        bot.say("One.", "Two?", "Three!");
        await answered(bot, 3);
        for (const { text } of bot.answers) expect(text).toMatch(broken);
        await endWell(bot);
      });
    },
    120_000,
  );

  it.each(Object.entries({ ...silent, ...halfway, ...final }))(
    "once, by %s: the true answer, or one honest sentence where the model declined or used up the time",
    async (name, wrong) => {
      await during(quick, async ({ simulator, start }) => {
        // A reply that cannot be read is asked for again once; that one cannot be read either.
        const times = "reply" in wrong ? 2 : 1;
        simulator.script({ ...wrong, on: "generate", times }, { on: "generate", times: null, reply: truth });
        const bot = await start();
        bot.say("What is true?", "And now?");
        await answered(bot, 2);
        expect(bot.answers[0]?.text).toMatch(name in final ? broken : /^It is true\.$/);
        expect(bot.answers[1]?.text, "the fault has passed").toBe("It is true.");
        const { inbox } = await bot.status();
        expect(inbox).toMatchObject({ buried: 0, lastBuried: [] });
        await endWell(bot);
      });
    },
    120_000,
  );
});

describe.concurrent("a model that does not answer, beside a fallback model", () => {
  const first = { on: "generate", model: "gemini-3.5-flash-lite", times: null } as const;
  const second = { on: "generate", model: "gemini-second", times: null } as const;
  const both = { ...quick, TURN_DEADLINE_SECONDS: "20", GEMINI_FALLBACK_MODEL: "gemini-second" };

  it.each(["502-html", "429-day", "cut"] as const)(
    "by %s: the other one writes the answer, whole",
    async (fault) => {
      await during(both, async ({ simulator, start }) => {
        simulator.script({ ...first, fault, chunkMs }, { ...second, reply: truth });
        const bot = await start();
        bot.say("What is true?", "And now?");
        await answered(bot, 2);
        for (const answer of bot.answers) expect(answer).toMatchObject({ text: "It is true.", model: "gemini-second" });
        await endWell(bot);
      });
    },
    120_000,
  );

  it("and neither does that: the next rung of the ladder, and /status has both breakers", async () => {
    await during(both, async ({ simulator, start }) => {
      simulator.script({ ...first, fault: "502-html" }, { ...second, fault: "502-html" });
      const bot = await start();
      bot.say("One.");
      // Looked for before the apology: that may come when one of them has stood open for its 30 s, and would be tried again.
      await vi.waitFor(
        async () => {
          const { circuit_breakers: breakers } = await bot.status();
          expect([breakers["gemini_api"]?.state, breakers["gemini_fallback"]?.state]).toEqual(["open", "open"]);
        },
        { timeout: 60_000, interval: 100 },
      );
      await answered(bot, 1);
      await buried(bot, 1);
      await endWell(bot);
    });
  }, 120_000);
});

interface Stage {
  readonly simulator: Simulator;
  readonly folder: string;
  readonly start: () => Promise<Watched>;
}

async function during(env: Readonly<Record<string, string>>, talk: (stage: Stage) => Promise<void>): Promise<void> {
  const simulator = await startGeminiSimulator();
  const folder = await temporaryFolder();
  const bots: Watched[] = [];
  const model = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url, GEMINI_REQUESTS_PER_MINUTE: "100000" };
  const start = async () => {
    const bot = startWatched(folder.path, { ...model, ...env });
    bots.push(bot);
    return bot;
  };
  try {
    await talk({ simulator, folder: folder.path, start });
  } finally {
    for (const bot of bots) bot.kill("SIGKILL");
    await Promise.all(bots.map((bot) => bot.exited));
    await simulator.stop();
    await folder.remove();
  }
}

/** Waits for so many answers; none is empty, and each says something to its own message. */
async function answered(bot: Watched, count: number): Promise<void> {
  await vi.waitFor(() => expect(bot.answers.length).toBeGreaterThanOrEqual(count), { timeout: 130_000, interval: 50 });
  expect(bot.answers).toHaveLength(count);
  expect(new Set(bot.answers.map((answer) => answer.messageId)).size, "one message was answered twice").toBe(count);
  for (const { text, redelivered } of bot.answers) {
    expect(text.trim()).not.toBe("");
    expect(redelivered).toBe(false);
  }
}

/** Every answer is an apology, and each of their references stands in /status. */
async function buried(bot: Watched, count: number): Promise<void> {
  const told = bot.answers.map((answer) => apology.exec(answer.text)?.[1]);
  await vi.waitFor(async () => expect((await bot.status()).inbox.buried).toBe(count), { timeout: 60_000 });
  const { inbox } = await bot.status();
  expect(new Set(inbox.lastBuried.map((one) => one.reference))).toEqual(new Set(told));
  expect(new Set(told).size, "two apologies with one reference").toBe(count);
  for (const { error } of inbox.lastBuried) expect(error).toMatch(/^model_(unavailable|deadline): /);
}

/** Ends the input: the process says nothing more, ends with 0, and no line of its log tells of a bug. */
async function endWell(bot: Watched): Promise<void> {
  const before = bot.answers.length;
  bot.end();
  expect(await bot.exited).toBe(0);
  expect(bot.answers).toHaveLength(before);
  const stray = bot
    .errors()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("{"));
  expect(stray, "something wrote beside the log").toEqual([]);
  expect(bot.errors()).not.toMatch(/unhandled|nobody caught|\bbug\b|could not be ended|"level":"fatal"/i);
}

/** Keeps one message in each of these channels before the product starts, as one that was killed would leave them. */
async function keepMessages(folder: string, channels: readonly string[]): Promise<string[]> {
  const database = await openPglite(folder, { template: await templatePath() });
  await migrate(database);
  const inbox = makeInbox({ ...byItself, database, alone: true, log: makeLogger("silent", process.stderr) });
  const ids: string[] = [];
  const seat = makeSeat({ author: "you", locale: null, now: () => new Date() });
  await inbox.start(AbortSignal.timeout(20_000), () => {});
  for (const channel of channels) {
    seat.enter(channel);
    const envelope = seat.envelope(`Something about ${channel}.`)!;
    await inbox.keep(envelope, "mention");
    ids.push(envelope.messageId);
  }
  await inbox.stop(AbortSignal.timeout(5_000));
  await database.close();
  return ids;
}
