import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import type { FaultName } from "../simulators/gemini/behaviours.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { startWatched } from "./process.ts";

const root = join(import.meta.dirname, "..", "..");
const key = "canary-key-7f3a";
const said = "canary-said-91bc";
const prompt = "canary-prompt-55de";
const replied = "canary-reply-20fe";

describe("no key, no message, no reply and no prompt stands in a log, an error, /status, /health or /metrics", () => {
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    simulator = await startGeminiSimulator();
    folder = await temporaryFolder();
  });
  afterAll(async () => {
    await simulator.stop();
    await folder.remove();
  });
  const open = async (name: string) => {
    const agents = join(folder.path, `${name}.yaml`);
    const text = await readFile(join(root, "agents.yaml"), "utf8");
    await writeFile(agents, text.replace("You are Mira, the facilitator.", `You are Mira, the facilitator. ${prompt}`));
    const env = { GEMINI_API_KEY: key, GEMINI_BASE_URL: simulator.url, LOG_LEVEL: "trace" };
    return { agents, bot: startWatched(join(folder.path, name), env, ["--json", "--agents", agents]) };
  };

  it.each<FaultName | "none">(["none", "400-key", "429-day", "502-html", "error-in-200", "half-json"])(
    "whatever fails: %s",
    async (fault) => {
      const { agents, bot } = await open(fault);
      const reply = { agent: "mira", reply: `${replied} and more` };
      simulator.clear();
      simulator.script({ reply, on: "generate", times: null, ...(fault === "none" ? {} : { fault }) });
      bot.say(`What is ${said}?`);
      const over = () => bot.answers.length > 0 || bot.log.some((line) => line["msg"] === "deferred");
      await vi.waitFor(() => expect(over()).toBe(true), { timeout: 60_000, interval: 20 });
      const pages = await Promise.all(
        ["/status", "/health", "/metrics", `/${said}`].map(async (path) => (await bot.get(path)).text()),
      );
      await writeFile(agents, `${prompt}: [`);
      await vi.waitFor(() => expect(bot.errors()).toContain(`${fault}.yaml:1`), { timeout: 60_000, interval: 20 });
      bot.kill("SIGKILL");
      await bot.exited;

      // They would be found if they were there: the model was sent all of them.
      const sent = JSON.stringify(simulator.requests);
      for (const canary of [said, prompt]) expect(sent).toContain(canary);
      for (const canary of [key, said, prompt, replied]) {
        expect(bot.errors()).not.toContain(canary);
        for (const page of pages) expect(page).not.toContain(canary);
      }
    },
    60_000,
  );
});
