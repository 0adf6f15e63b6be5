import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openPglite } from "../../src/connections/pglite.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import { startWatched, type Watched } from "./process.ts";

const patience = { timeout: 60_000, interval: 20 };

describe("the breaker", () => {
  let simulator: Simulator;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let bot: Watched;
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    bot = startWatched(folder.path, { GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url, ...env });
  };
  const end = async () => {
    bot.end();
    expect(await bot.exited).toBe(0);
  };
  beforeEach(async () => {
    simulator = await startGeminiSimulator();
    folder = await temporaryFolder();
  });
  afterEach(async () => {
    bot.kill("SIGKILL");
    await bot.exited;
    await simulator.stop();
    await folder.remove();
  });

  it("gemini_api keeps away from an API that failed three times, and closes after a good probe with the answer", async () => {
    await start();
    simulator.script({ fault: "503", on: "generate", times: 3 });
    bot.say("Hello there.");
    const breaker = async () => (await bot.status()).circuit_breakers["gemini_api"];
    await vi.waitFor(async () => expect(await breaker()).toMatchObject({ state: "open", failure_count: 3 }), patience);
    await vi.waitFor(() => expect(bot.answers).toHaveLength(1), { timeout: 60_000, interval: 100 });
    expect(simulator.requests.length, "it was asked while the breaker was open").toBe(4);
    const [, , third, probe] = simulator.requests;
    expect((probe?.at ?? 0) - (third?.at ?? 0)).toBeGreaterThanOrEqual(29_000);
    expect(await breaker()).toMatchObject({ state: "closed", failure_count: 0 });
    await end();
  }, 150_000);

  it("memory_operations opens while long-term memory fails, and people are answered all the same", async () => {
    await start();
    bot.say("My cat is called Miso.");
    await vi.waitFor(() => expect(bot.answers).toHaveLength(1), patience);
    await end();
    const database = await openPglite(folder.path);
    await database.query("drop function bm25_query cascade");
    await database.close();

    await start({ CIRCUIT_BREAKER_FAILURE_THRESHOLD: "3" });
    bot.say("One.", "Two.", "Three.", "Four.", "Five.");
    await vi.waitFor(() => expect(bot.answers).toHaveLength(5), patience);
    for (const { text } of bot.answers) expect(text).not.toBe("");
    const metrics = await bot.metrics();
    const failed = { operation_type: "cold_recall", status: "error" };
    expect(metrics.value("discord_agent_memory_operations_total", failed)).toBe(5);
    expect((await bot.status()).circuit_breakers["memory_operations"]).toMatchObject({ state: "open" });
    await end();
  }, 150_000);
});
