import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openEmbeddedHome, openServerHome, type Home } from "../servers/databases.ts";
import {
  startDiscordSimulator,
  type DiscordSimulator,
  type DiscordSimulatorOptions,
} from "../simulators/discord/simulator.ts";
import { furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import { describeInSetUps, inHouse, setUps, type House } from "./discord-house.ts";
import { partOf } from "./process.ts";

describeInSetUps("a bot that Discord refuses", await setUps(), (setUp) => {
  const { roles } = setUp;
  /** The one that connects. */
  const [listener = "all-in-one"] = roles;
  let simulator: DiscordSimulator;
  let home: Home;
  const open = async (options: DiscordSimulatorOptions = {}) => {
    simulator = await startDiscordSimulator(options);
    return furnish(simulator);
  };
  beforeEach(async () => {
    home = await (roles.includes("all-in-one") ? openEmbeddedHome() : openServerHome("migrated"));
  });
  afterEach(async () => {
    await simulator.close();
    await home.remove();
  });
  /** Starts, waits for the end, and gives the sentences of its fatal lines. */
  const runToEnd = async (role: string, env: Readonly<Record<string, string>> = {}) => {
    const bot = startDiscordBot(simulator, home, { ROLE: role, ...env });
    const code = await bot.exited;
    const fatal = bot.log.filter((line) => line["level"] === "fatal");
    return { code, fatal: fatal.map((line) => String(line["msg"])), errors: bot.errors() };
  };

  it.each(roles)("for its token: one sentence that names the variable, one request, exit 1 (%s)", async (role) => {
    await open();
    const { code, fatal, errors } = await runToEnd(role, { DISCORD_TOKEN: "canary-token-nobody-knows" });
    expect(code).toBe(1);
    expect(fatal).toEqual([expect.stringMatching(/DISCORD_TOKEN/)]);
    expect(errors).not.toContain("canary");
    const report = simulator.report();
    expect([report.restStatuses["401"], report.identifies]).toEqual([1, 0]);
  });

  it("for its intents: one sentence with the remedy, one IDENTIFY, exit 1", async () => {
    await open();
    simulator.faults.add({ on: "gateway", fault: "close", code: 4014 });
    const { code, fatal } = await runToEnd(listener);
    expect(code).toBe(1);
    expect(fatal).toEqual([expect.stringMatching(/Message Content intent/)]);
    expect(simulator.report().connections).toBe(1);
  });

  it("because the sessions of the day are used up: one sentence with the time, no IDENTIFY, exit 1", async () => {
    await open({ identifyBudget: 0 });
    const { code, fatal } = await runToEnd(listener);
    expect(code).toBe(1);
    expect(fatal).toEqual([expect.stringMatching(/0 are left: none is begun .+ in \d+ h/)]);
    expect(simulator.report().identifies).toBe(0);
  });

  it("the content of messages: it goes on with mentions and direct messages, and says so once", async () => {
    const { ann, general } = await open();
    const { world } = simulator;
    world.setPrivileged(world.reception, []);
    const bots = roles.map((role) => startDiscordBot(simulator, home, { ROLE: role }));
    await Promise.all(bots.map(ready));
    world.say({ channel: general, author: ann, text: "nobody in particular" });
    const asked = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> who are you?` });
    const answers = () => world.messages(general).filter(({ byBot }) => byBot);
    await vi.waitFor(() => expect(answers()).toHaveLength(1), patience);
    expect(answers()[0]?.replyTo).toBe(asked.id);
    const said = bots.flatMap(({ log }) => log).filter(({ msg }) => String(msg).includes("Message Content"));
    expect(said).toHaveLength(1);
    const [bot] = bots;
    if (bot === undefined) throw new Error("nobody listens");
    expect(await partOf(bot, "gateway")).toMatchObject({ status: "degraded", details: { messageContent: false } });
    const { impaired } = (await (await bot.get("/status")).json()) as { impaired: Record<string, unknown> };
    expect(impaired["gateway"]).toMatchObject({
      status: "degraded",
      details: { reason: expect.stringMatching(/^without the Message Content intent only mentions/) },
    });
    for (const one of bots) one.kill("SIGTERM");
    expect(await Promise.all(bots.map(({ exited }) => exited))).toEqual(roles.map(() => 0));
  });
});

describeInSetUps("a bot whose token is revoked while it runs", await setUps(), (setUp) => {
  it("stops calling, is not ready and says why, does not crash, and keeps what waits for a new token", async () => {
    const use = async (house: House) => {
      const { faults } = house.discord;
      await house.start({ LANES: "1" });
      faults.add({ on: "rest", fault: "delay", method: "POST", path: "/messages$", delayMs: null });
      const channels = ["one", "two", "three", "four", "five"].map((name) =>
        house.world.addChannel(house.guild, { name }),
      );
      const asked = channels.map((channel, n) => house.ask(`question ${n}`, { channel }));
      await vi.waitFor(() => expect(faults.pending()).toEqual([]), patience);
      faults.revokeToken(house.world.reception);
      expect(faults.release()).toBe(1);
      // The first learns it of Discord; the others are thought about, and not said.
      await house.logged("a turn is put back", channels.length);
      // Its answer and a sign that it types may have been under way at once, and a gateway of its own types for those that wait.
      expect(house.discord.report().requestsAfterUnauthorized).toBeLessThanOrEqual(1 + setUp.roles.length);
      const reason = expect.stringMatching(/DISCORD_TOKEN/) as string;
      const bots = house.running();
      expect(bots).toHaveLength(setUp.roles.length);
      for (const [i, bot] of bots.entries()) {
        await vi.waitFor(async () => expect((await bot.get("/health/ready")).status).toBe(503), patience);
        expect((await bot.get("/health/live")).status).toBe(200);
        const part = setUp.roles[i] === "gateway" ? "gateway" : "discord";
        expect(await partOf(bot, part)).toMatchObject({ status: "unhealthy", details: { reason } });
      }
      expect((await bots.at(-1)?.status())?.inbox).toMatchObject({ waiting: channels.length, buried: 0 });
      for (const bot of bots) bot.kill("SIGTERM");
      expect(await Promise.all(bots.map(({ exited }) => exited))).toEqual(bots.map(() => 0));

      faults.restoreToken(house.world.reception);
      await house.dueNow();
      await house.start();
      for (const [n, one] of asked.entries()) await house.answered(one, `Re: question ${n}`);
      expect(house.discord.report()).toMatchObject({ doubledPosts: [], tokenResets: [] });
    };
    await inHouse({}, use, setUp);
  });
});
