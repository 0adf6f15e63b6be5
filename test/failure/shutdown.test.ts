import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { startBot } from "./bot.ts";

describe("a stop in the middle of an answer", () => {
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    simulator = await startGeminiSimulator({ firstTokenMs: 150, chunkMs: 40 });
    folder = await temporaryFolder();
  });
  afterAll(async () => {
    await simulator.stop();
    await folder.remove();
  });
  /** A bot that is being answered by the model right now, with a second message waiting behind. */
  const busy = async () => {
    const before = simulator.requests.length;
    const bot = startBot(folder.path, { GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url });
    bot.say("first question", "second question");
    await vi.waitFor(() => expect(simulator.requests.length).toBeGreaterThan(before), { timeout: 60_000, interval: 5 });
    return bot;
  };
  const finishRest = async () => {
    const bot = startBot(folder.path, { GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url });
    bot.end();
    expect(await bot.exited).toBe(0);
    return bot.answers;
  };

  it.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)(
    "by %s: it is finished, exit 0, and what waited is answered after the next start",
    async (signal) => {
      const bot = await busy();
      bot.kill(signal);
      expect(await bot.exited).toBe(0);
      expect(bot.answers).toHaveLength(1);
      const rest = await finishRest();
      expect(rest.map(({ redelivered }) => redelivered)).toEqual([false]);
    },
  );

  it("that only waits for quota: it is put back at once, and answered after the next start", async () => {
    const env = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url, GEMINI_REQUESTS_PER_MINUTE: "1" };
    const bot = startBot(folder.path, env);
    bot.say("one", "two");
    await vi.waitFor(() => expect(bot.log.some((line) => line["msg"] === "waiting")).toBe(true), { timeout: 60_000 });
    bot.kill("SIGTERM");
    expect(await bot.exited).toBe(0);
    expect(bot.answers, "it waited a minute for the second").toHaveLength(1);
    expect(await finishRest()).toHaveLength(1);
  });

  it("by a second Ctrl-C: it ends at once, and the message is answered after the next start", async () => {
    simulator.script({ firstTokenMs: 20_000 });
    const bot = await busy();
    bot.kill("SIGINT");
    await vi.waitFor(() => expect(bot.log.some((line) => line["msg"] === "stopping")).toBe(true), {
      timeout: 60_000,
      interval: 5,
    });
    // Signals less than 100 ms apart are taken for one wish.
    const asked = Date.now();
    await vi.waitFor(() => expect(Date.now() - asked).toBeGreaterThan(200), { interval: 20 });
    bot.kill("SIGINT");
    expect(await bot.exited).toBe(130);
    expect(bot.answers).toEqual([]);
    expect(await finishRest()).toHaveLength(2);
  });
});
