import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
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

  it("every message is answered, none twice without saying so, and each conversation in its order", async () => {
    const answers: Answer[] = [];
    const texts = new Map<string, string>();
    let sent = 0;
    for (let round = 0; round < rounds; round += 1) {
      const bot = startBot(folder.path, env());
      // Two conversations; a message stands for itself in the prompt the simulator captures.
      const lines = [0, 1, 2].flatMap((i) => [
        `/channel ${i % 2 === 0 ? "red" : "blue"}`,
        `question-${sent + i}-asked`,
      ]);
      bot.say(...lines);
      const kept = () =>
        simulator.requests.some((request) => JSON.stringify(request.body).includes(`question-${sent}-asked`));
      await vi.waitFor(() => expect(kept()).toBe(true), { timeout: 15_000, interval: 5 });
      await countdown(Math.floor(random() ** 2 * 400), simulator.url);
      bot.kill("SIGKILL");
      await bot.exited;
      answers.push(...bot.answers);
      sent += 3;
    }
    const last = startBot(folder.path, env());
    last.end();
    expect(await last.exited).toBe(0);
    answers.push(...last.answers);
    await checkStored(folder.path, texts);

    const kept = [...texts.keys()];
    const fresh = answers.filter((answer) => !answer.redelivered);
    expect(new Set(answers.map((answer) => answer.messageId))).toEqual(new Set(kept));
    expect(fresh.length, "an answer was shown twice and did not say so").toBe(
      new Set(fresh.map((a) => a.messageId)).size,
    );
    for (const answer of answers) expect(answer.text).not.toBe("");
    // Everything that was read from the pipe before the kill was kept: at least the first message of every round.
    expect(kept.length).toBeGreaterThanOrEqual(rounds);
  }, 300_000);
});

/** Lets the bot run on for as long as some requests to the simulator take. */
async function countdown(ticks: number, url: string): Promise<void> {
  for (let tick = 0; tick < ticks; tick += 1) await (await fetch(`${url}/control/report`)).text();
}

/** Reads from the database what was kept, and that nothing of it is open. */
async function checkStored(path: string, texts: Map<string, string>): Promise<void> {
  const { openPglite } = await import("../../src/connections/pglite.ts");
  const database = await openPglite(path);
  const rows = await database.query<{ message_id: string; state: string; text: string; conversation_id: string }>(
    "select message_id, state, text, conversation_id from turns order by finished_at, message_id",
  );
  const order = new Map<string, bigint>();
  for (const row of rows) {
    texts.set(row.message_id, row.text);
    expect(row.state, row.text).toBe("answered");
    expect(BigInt(row.message_id) > (order.get(row.conversation_id) ?? 0n), "answered out of order").toBe(true);
    order.set(row.conversation_id, BigInt(row.message_id));
  }
  await database.close();
}

function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
