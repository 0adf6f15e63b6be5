import type { SessionInfo } from "@discordjs/ws";
import { afterEach, expect, it, vi } from "vitest";
import { makeTestBot, type TestBot } from "./bot.ts";
import { startDiscordSimulator, type DiscordSimulator, type DiscordSimulatorOptions } from "./simulator.ts";

let simulator: DiscordSimulator;
let bot: TestBot;
afterEach(async () => {
  await bot.end();
  await simulator.close();
});

async function start(options: DiscordSimulatorOptions = {}) {
  simulator = await startDiscordSimulator({ identifyEveryMs: 0, ...options });
  bot = makeTestBot(simulator);
  const { world, faults } = simulator;
  const ann = world.addUser("ann");
  const general = world.addChannel(world.addGuild({ name: "Sim", members: [ann, world.reception] }), { name: "c" });
  return { world, faults, say: (text: string) => world.say({ channel: general, author: ann, text }) };
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 10 });

it.each([
  ["a close with 4000", () => simulator.faults.close(4000)],
  ["a close with 4009", () => simulator.faults.close(4009)],
  ["a TCP cut", () => simulator.faults.cut()],
  ["opcode 7", () => simulator.faults.askReconnect()],
  ["opcode 9 that may resume", () => simulator.faults.invalidate(true)],
])("lets the session be resumed after %s, and replays what came in between", async (_, fault) => {
  const { say } = await start();
  await bot.manager.connect();
  say("before");
  await until(() => expect(bot.contents()).toEqual(["before"]));
  expect(fault()).toBe(1);
  say("between");
  await until(() => expect(simulator.report().resumeds).toBe(1));
  say("after");
  await until(() => expect(bot.contents()).toEqual(["before", "between", "after"]));
  expect(simulator.report()).toMatchObject({ identifies: 1, sessionsEnded: 0 });
});

it("says nothing any more when half-open, and gives the session to whoever resumes it elsewhere", async () => {
  const { say, faults } = await start();
  await bot.manager.connect();
  expect(faults.freeze()).toBe(1);
  say("into the void");
  const other = makeTestBot(simulator);
  other.sessions.set(0, bot.sessions.get(0) as SessionInfo);
  await other.manager.connect();
  await until(() => expect(other.contents()).toEqual(["into the void"]));
  await other.end();
  expect(bot.contents()).toEqual([]);
  expect(bot.closes).toEqual([]);
  expect(faults.cut()).toBe(1);
  await until(() => expect(bot.closes).toEqual([1006]));
});

it.each([
  ["opcode 9 that may not", () => simulator.faults.invalidate(false)],
  [
    "expired sessions",
    () => {
      simulator.faults.expireSessions();
      simulator.faults.cut();
    },
  ],
])("makes the client identify anew after %s", async (_, fault) => {
  const { say } = await start();
  await bot.manager.connect();
  fault();
  await until(() =>
    expect(simulator.report()).toMatchObject({ identifies: 2, resumeds: 0, readies: 2, sessionsEnded: 1 }),
  );
  say("after");
  await until(() => expect(bot.contents()).toEqual(["after"]));
});

it.each(["refuse", "refuse-503", "close-before-hello", "no-hello", "no-ready"] as const)(
  "fails a connection with %s as often as told",
  async (fault) => {
    const { faults } = await start();
    bot.manager.options.helloTimeout = 100;
    bot.manager.options.readyTimeout = 100;
    faults.add({ on: "gateway", fault, times: 2 });
    await bot.manager.connect();
    expect(simulator.report()).toMatchObject({ readies: 1, faultsUsed: { [`gateway ${fault}`]: 2 } });
    expect(faults.pending()).toEqual([]);
  },
);

it("delays an event and everything behind it, in order", async () => {
  const { say, faults } = await start();
  await bot.manager.connect();
  faults.add({ on: "gateway", fault: "delay", event: "MESSAGE_CREATE", delayMs: 150 });
  const saidAt = Date.now();
  say("1");
  say("2");
  await until(() => expect(bot.contents()).toEqual(["1", "2"]));
  expect(Date.now() - saidAt).toBeGreaterThan(140);
});

it.each([true, false])("repeats an event, with the same sequence number: %s", async (sameSequence) => {
  const { say, faults } = await start();
  await bot.manager.connect();
  faults.add({ on: "gateway", fault: "duplicate", event: "MESSAGE_CREATE", sameSequence });
  say("twice");
  say("once");
  await until(() => expect(bot.contents()).toEqual(["twice", "twice", "once"]));
  const [first, second] = bot.heard.filter(({ t }) => t === "MESSAGE_CREATE").map(({ s }) => s);
  expect(second === first).toBe(sameSequence);
});

it("revokes a token on the gateway and over REST", async () => {
  const { world, faults } = await start();
  await bot.manager.connect();
  faults.revokeToken(world.reception);
  await until(() => expect(bot.closes).toContain(4004));
  await expect(bot.rest.get("/users/@me")).rejects.toMatchObject({ status: 401 });
});

it("goes away, REST and gateway, and keeps sessions until it comes back", async () => {
  const { say, faults } = await start();
  await bot.manager.connect();
  faults.goAway();
  await expect(bot.rest.get("/users/@me")).rejects.toThrow(/closed|reset|socket/iu);
  await until(() => expect(simulator.report().liveSockets).toBe(0));
  say("while away");
  expect(bot.contents()).toEqual([]);
  faults.comeBack();
  await until(() => expect(bot.contents()).toEqual(["while away"]));
});
