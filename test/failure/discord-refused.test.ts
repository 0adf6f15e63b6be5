import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import {
  startDiscordSimulator,
  type DiscordSimulator,
  type DiscordSimulatorOptions,
} from "../simulators/discord/simulator.ts";
import { furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";

describe("a bot that Discord refuses", () => {
  let simulator: DiscordSimulator;
  let home: { data: string; env: Record<string, string>; remove: () => Promise<void> };
  const open = async (options: DiscordSimulatorOptions = {}) => {
    simulator = await startDiscordSimulator(options);
    return furnish(simulator);
  };
  beforeEach(async () => {
    const { path, remove } = await temporaryFolder();
    home = { data: path, env: {}, remove };
  });
  afterEach(async () => {
    await simulator.close();
    await home.remove();
  });
  /** Starts, waits for the end, and gives the sentences of its fatal lines. */
  const runToEnd = async (env: Readonly<Record<string, string>> = {}) => {
    const bot = startDiscordBot(simulator, home, env);
    const code = await bot.exited;
    const fatal = bot.log.filter((line) => line["level"] === "fatal");
    return { code, fatal: fatal.map((line) => String(line["msg"])), errors: bot.errors() };
  };

  it("for its token: one sentence that names the variable, one request, exit 1", async () => {
    await open();
    const { code, fatal, errors } = await runToEnd({ DISCORD_TOKEN: "canary-token-nobody-knows" });
    expect(code).toBe(1);
    expect(fatal).toEqual([expect.stringMatching(/DISCORD_TOKEN/)]);
    expect(errors).not.toContain("canary");
    const report = simulator.report();
    expect([report.restStatuses["401"], report.identifies]).toEqual([1, 0]);
  });

  it("for its intents: one sentence with the remedy, one IDENTIFY, exit 1", async () => {
    await open();
    simulator.faults.add({ on: "gateway", fault: "close", code: 4014 });
    const { code, fatal } = await runToEnd();
    expect(code).toBe(1);
    expect(fatal).toEqual([expect.stringMatching(/Message Content intent/)]);
    expect(simulator.report().connections).toBe(1);
  });

  it("because the sessions of the day are used up: one sentence with the time, no IDENTIFY, exit 1", async () => {
    await open({ identifyBudget: 0 });
    const { code, fatal } = await runToEnd();
    expect(code).toBe(1);
    expect(fatal).toEqual([expect.stringMatching(/0 are left: none is begun .+ in \d+ h/)]);
    expect(simulator.report().identifies).toBe(0);
  });

  it("the content of messages: it goes on with mentions and direct messages, and says so once", async () => {
    const { ann, general } = await open();
    const { world } = simulator;
    world.setPrivileged(world.reception, []);
    const bot = startDiscordBot(simulator, home);
    await ready(bot);
    world.say({ channel: general, author: ann, text: "nobody in particular" });
    const asked = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> who are you?` });
    const answers = () => world.messages(general).filter(({ byBot }) => byBot);
    await vi.waitFor(() => expect(answers()).toHaveLength(1), patience);
    expect(answers()[0]?.replyTo).toBe(asked.id);
    expect(bot.log.filter((line) => String(line["msg"]).includes("Message Content"))).toHaveLength(1);
    const health = (await (await bot.get("/health")).json()) as {
      components: Record<string, { status: string; details: unknown }>;
    };
    expect(health.components["gateway"]).toMatchObject({ status: "degraded", details: { messageContent: false } });
    const { impaired } = (await (await bot.get("/status")).json()) as { impaired: Record<string, unknown> };
    expect(impaired["gateway"]).toMatchObject({
      status: "degraded",
      details: { reason: expect.stringMatching(/^without the Message Content intent only mentions/) },
    });
    bot.kill("SIGTERM");
    expect(await bot.exited).toBe(0);
  });
});
