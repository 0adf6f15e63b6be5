import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openPglite } from "../../src/connections/pglite.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { startBot, type Answer } from "./bot.ts";

const rounds = Number(process.env["ROUNDS"] ?? 6);
const seed = Number(process.env["SEED"] ?? 1);

describe(`killed with SIGKILL at a random moment, ${rounds} times (seed ${seed})`, () => {
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const random = randomFrom(seed);
  const env = () => ({
    GEMINI_API_KEY: "x",
    GEMINI_BASE_URL: simulator.url,
    GEMINI_REQUESTS_PER_MINUTE: "100000",
    LOG_LEVEL: "debug",
  });
  beforeAll(async () => {
    simulator = await startGeminiSimulator({ firstTokenMs: 60, chunkMs: 25 });
    folder = await temporaryFolder();
  });
  afterAll(async () => {
    await simulator.stop();
    await folder.remove();
  });

  it("every message is answered, none twice without saying so and in the same words, and each conversation in its order", async () => {
    // No two calls get the same words, so that words which come twice are the kept draft and no second thinking.
    const takes = Array.from({ length: rounds * 8 }, (_, i) => ({
      on: "generate" as const,
      reply: { agent: "mira", reply: `This is take ${i}, and it takes a while to write it down.` },
    }));
    simulator.script(...takes);
    const runs: (readonly Answer[])[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const bot = startBot(folder.path, env());
      // The channels take turns: what an earlier round left in one is answered beside what this one says in the other.
      const lines = [0, 1, 2].map((i) => `question-${round}-${i}-asked`);
      bot.say(`/channel ${round % 2 === 0 ? "red" : "blue"}`, ...lines);
      const before = simulator.requests.length;
      await vi.waitFor(() => expect(simulator.requests.length).toBeGreaterThan(before), waiting);
      // Every third time at the moment that matters most: the answer is out, and its commit is not yet.
      if (round % 3 === 2) await vi.waitUntil(() => bot.answers.length > 0, waiting);
      else await countdown(Math.floor(random() ** 2 * 400), simulator.url);
      bot.kill("SIGKILL");
      await bot.exited;
      runs.push(bot.answers);
    }
    const last = startBot(folder.path, env());
    last.end();
    expect(await last.exited).toBe(0);
    runs.push(last.answers);
    expect((await simulatorScript()).scripted, "more calls than takes").toBeGreaterThan(0);

    const kept = await readKept(folder.path);
    expect(new Set(runs.flat().map(({ messageId }) => messageId))).toEqual(new Set(kept));
    // The first line of a round reached the model before the kill, so it was kept before that.
    expect(kept.length).toBeGreaterThanOrEqual(rounds);
    const first = new Map<string, Answer>();
    for (const answer of runs.flat()) {
      expect(answer.text).toMatch(/^This is take \d+, and it takes a while to write it down\.$/);
      const earlier = first.get(answer.messageId) ?? null;
      if (earlier === null) first.set(answer.messageId, answer);
      expect(earlier === null || answer.redelivered, "shown twice, and did not say so").toBe(true);
      expect(answer.text, "other words than the first time").toBe((earlier ?? answer).text);
    }
    if (process.env["ROUNDS"] !== undefined) report(runs, kept);
  }, 300_000);

  const simulatorScript = async () =>
    (await (await fetch(`${simulator.url}/control/report`)).json()) as { scripted: number };
});

const waiting = { timeout: 60_000, interval: 2 };

function report(runs: readonly (readonly Answer[])[], kept: readonly string[]): void {
  const answers = runs.flat();
  const redelivered = answers.filter((answer) => answer.redelivered).length;
  const twice = answers.length - new Set(answers.map(({ messageId }) => messageId)).size;
  const beforeTheEnd = answers.length - (runs.at(-1)?.length ?? 0);
  const figures = { rounds, seed, kept: kept.length, answers: answers.length, beforeTheEnd, redelivered, twice };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/** Lets the bot run on for as long as some requests to the simulator take. */
async function countdown(ticks: number, url: string): Promise<void> {
  for (let tick = 0; tick < ticks; tick += 1) await (await fetch(`${url}/control/report`)).text();
}

/** The ids of all messages that were kept; each was answered, in the order of its conversation. */
async function readKept(path: string): Promise<readonly string[]> {
  const database = await openPglite(path);
  const rows = await database.query<{ message_id: string; state: string; text: string; conversation_id: string }>(
    "select message_id, state, text, conversation_id from turns order by finished_at, message_id",
  );
  await database.close();
  const last = new Map<string, bigint>();
  for (const row of rows) {
    expect(row.state, row.text).toBe("answered");
    expect(BigInt(row.message_id) > (last.get(row.conversation_id) ?? 0n), "answered out of order").toBe(true);
    last.set(row.conversation_id, BigInt(row.message_id));
  }
  expect(last.size, "conversations").toBe(2);
  return rows.map((row) => row.message_id);
}

function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
