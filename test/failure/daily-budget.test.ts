import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { startWatched, type Watched } from "./process.ts";

const frugal = `apiVersion: discord-agent.dev/v1alpha1
kind: Agent
metadata: { name: mira }
spec:
  displayName: Mira
  description: Answers anything.
  prompt: You are Mira.
  budget: { dailyTokens: 1 }
`;

let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bot: Watched;
beforeAll(async () => {
  simulator = await startGeminiSimulator();
  folder = await temporaryFolder();
  const agents = join(folder.path, "agents.yaml");
  await writeFile(agents, frugal);
  const env = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url, GEMINI_REQUESTS_PER_MINUTE: "100000" };
  bot = startWatched(join(folder.path, "data"), env, ["--json", "--agents", agents]);
});
afterAll(async () => {
  bot.kill("SIGKILL");
  await bot.exited;
  await simulator.stop();
  await folder.remove();
});

it("a daily budget that is used up is told to who asks, and counts as no failure: it works as it was set", async () => {
  bot.say("Hello?");
  await vi.waitFor(() => expect(bot.answers).toHaveLength(1), { timeout: 60_000, interval: 20 });
  bot.say("And now?");
  await vi.waitFor(() => expect(bot.answers).toHaveLength(2), { timeout: 60_000, interval: 20 });
  expect(bot.answers[1]).toMatchObject({ text: expect.stringContaining("what I may spend today") as string });
  const counted = async (message_type: string) =>
    (await bot.metrics()).value("discord_agent_messages_total", { message_type }) ?? 0;
  await vi.waitFor(async () => expect(await counted("over_budget")).toBe(1));
  expect(await counted("buried")).toBe(0);
  expect(await bot.status()).toMatchObject({ thresholds: { error_rate: { measured: 0 } } });
}, 120_000);
