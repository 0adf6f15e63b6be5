import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { remember } from "../../src/memory/remember.ts";
import { startBot } from "../failure/bot.ts";
import { saying } from "../memory/saying.ts";
import { describeOnBothDatabases, type Home } from "../servers/databases.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";

const agentsFile = join(import.meta.dirname, "..", "..", "agents.yaml");

await describeOnBothDatabases("the product", ({ openHome }) => {
  describe("a conversation in a pipe", () => {
    let home: Home;
    beforeAll(async () => {
      home = await openHome();
    });
    afterAll(() => home.remove());

    it("is answered line by line, and remembered after a restart", async () => {
      const first = startBot(home.data, home.env);
      first.say("My cat is called Miso.", "", "Tell me who you are.");
      first.end();
      expect(await first.exited).toBe(0);
      expect(first.answers).toHaveLength(2);

      const second = startBot(home.data, home.env);
      second.say("What is my cat called?");
      second.end();
      expect(await second.exited).toBe(0);
      expect(second.answers).toMatchObject([
        {
          agent: "mira",
          text: expect.stringContaining("Miso"),
          model: "offline",
          redelivered: false,
          messageId: expect.stringMatching(/^\d+$/),
        },
      ]);
      const [answer] = second.answers;
      expect(answer?.memories[0]).toMatchObject({ id: expect.any(String), score: expect.any(Number) });
      expect(answer?.promptRevision).toMatch(/^[0-9a-f]{10}$/);
      expect(Object.keys(answer?.stageMs ?? {})).toEqual(
        expect.arrayContaining(["queued", "route", "recall", "model"]),
      );
      expect(Object.keys(answer?.tokens ?? {}).length).toBeGreaterThan(0);
      expect(`${first.errors()}${second.errors()}`).not.toContain("Miso");
    });

    it("ends quietly when its reader goes away", async () => {
      const { spawn } = await import("node:child_process");
      const command = `yes 'Tell me who you are.' | head -20 | "$NODE" src/main.ts --data "$DATA" 2> "$DATA/err" | head -1; echo "\${PIPESTATUS[2]}"`;
      const env = {
        PATH: process.env["PATH"] ?? "",
        NODE: process.execPath,
        DATA: home.data,
        HEALTH_CHECK_PORT: "0",
        ...home.env,
      };
      const shell = spawn("bash", ["-c", command], { cwd: join(import.meta.dirname, "..", ".."), env });
      let out = "";
      for await (const chunk of shell.stdout) out += String(chunk);
      expect(out.trim().split("\n")).toEqual([expect.stringMatching(/^Mira: /), "0"]);
      expect(await readFile(join(home.data, "err"), "utf8")).not.toMatch(/EPIPE|\n\s+at /);
    });
  });

  describe("two conversations in one pipe", () => {
    it("run side by side: one is answered while the other waits for its model", async () => {
      const home = await openHome();
      const simulator = await startGeminiSimulator({});
      simulator.script({ fault: "hang", on: "generate", when: "the first of all" });
      const bot = startBot(home.data, { ...home.env, GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url });
      bot.say("/channel red", "Here is the first of all.", "/channel blue", "Here is the second.");
      await vi.waitFor(() => expect(bot.answers).toHaveLength(1), { timeout: 60_000, interval: 10 });
      bot.kill("SIGKILL");
      await bot.exited;
      const calls = simulator.requests.map((request) => JSON.stringify(request.body));
      expect(calls.some((body) => body.includes("the first of all"))).toBe(true);
      await simulator.stop();
      await home.remove();
    });
  });

  describe("the prompt that was really sent", () => {
    it("has the conversation oldest first, memories with dates, the channel, and nothing of another guild or a private channel", async () => {
      const home = await openHome();
      const terminal = await guildOfTerminal(home);
      const database = await home.openDatabase();
      const place = { guildId: terminal, channelId: "20", conversationId: "20" };
      await remember(database, [
        saying("The harbour tour starts at nine.", { ...place, createdAt: new Date("2026-03-05T09:00:00Z") }),
        saying("The harbour tour of the other guild is secret-one.", {
          guildId: "999",
          channelId: "30",
          conversationId: "30",
        }),
        saying("The harbour tour of the board is secret-two.", {
          ...place,
          channelId: "40",
          conversationId: "40",
          audience: "private",
        }),
      ]);
      await database.close();

      const simulator = await startGeminiSimulator({});
      const bot = startBot(home.data, { ...home.env, GEMINI_API_KEY: "x", GEMINI_BASE_URL: simulator.url });
      bot.say("/channel harbour", "Good morning to you.", "When does the harbour tour start?");
      bot.end();
      expect(await bot.exited).toBe(0);
      const generated = simulator.requests.filter((request) => JSON.stringify(request.body).includes("<message"));
      expect(generated).toHaveLength(2);
      const sent = JSON.stringify(generated[1]?.body);
      const order = [
        "The harbour tour starts at nine",
        "Good morning to you",
        "in channel #harbour",
        "When does the harbour tour start?",
      ];
      expect(order.map((piece) => sent.indexOf(piece))).toEqual(
        order.map((piece) => sent.indexOf(piece)).toSorted((a, b) => a - b),
      );
      for (const piece of order) expect(sent).toContain(piece);
      expect(sent).toContain('<memory date=\\"2026-03-05 09:00\\"');
      expect(sent).not.toContain("secret-");
      expect(bot.answers[0]?.promptRevision).toBe(bot.answers[1]?.promptRevision);
      await simulator.stop();
      await home.remove();
    });

    /** The guild that the terminal's messages belong to, read from what a first run stored. */
    async function guildOfTerminal(home: Home): Promise<string> {
      const bot = startBot(home.data, home.env);
      bot.say("Hello.");
      bot.end();
      await bot.exited;
      const database = await home.openDatabase();
      const [row] = await database.query<{ guild_id: string }>("select guild_id from turns limit 1");
      await database.close();
      return row?.guild_id ?? "";
    }
  });

  describe("an edit of the agents while it runs", () => {
    it("changes who answers the next message; a broken one does not, and the log names its line", async () => {
      const home = await openHome();
      const agents = join(home.data, "agents.yaml");
      await copyFile(agentsFile, agents);
      const bot = startBot(join(home.data, "data"), home.env, ["--json", "--agents", agents]);
      const ask = async (n: number) => {
        bot.say("Tell me who you are.");
        await vi.waitFor(() => expect(bot.answers).toHaveLength(n), { timeout: 60_000, interval: 5 });
        return bot.answers[n - 1]?.text;
      };
      expect(await ask(1)).toContain("I am Mira");
      const text = await readFile(agents, "utf8");
      await writeFile(agents, text.replace("displayName: Mira", "displayName: Miriam"));
      expect(await ask(2)).toContain("I am Miriam");
      await writeFile(agents, text.replace("handoffs: [teo, juno]", "handoffs: [nobody]"));
      expect(await ask(3)).toContain("I am Miriam");
      const line = text.split("\n").findIndex((one) => one.includes("handoffs: [teo, juno]")) + 1;
      await vi.waitFor(() => expect(bot.errors()).toContain(`agents.yaml:${line} spec.handoffs[0]`), {
        timeout: 60_000,
      });
      bot.end();
      expect(await bot.exited).toBe(0);
      await home.remove();
    });
  });
});
