import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openServerHome, type Home } from "../servers/databases.ts";
import { administer } from "../servers/postgres.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import {
  startDiscordSimulator,
  type DiscordSimulator,
  type DiscordSimulatorOptions,
} from "../simulators/discord/simulator.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "./discord-bot.ts";
import { apart, describeInSetUps, type SetUp } from "./discord-house.ts";
import { partOf, type Watched } from "./process.ts";

type House = ReturnType<typeof furnish>;

/** On a server too: several of them share what they know. */
const alone: SetUp = { name: "alone", roles: ["all-in-one"], missing: await whyNoPostgres() };

describeInSetUps("what people say reaches the bot once", [alone, await apart()], (setUp) => {
  const [listener = "all-in-one", ...others] = setUp.roles;
  let simulator: DiscordSimulator;
  let house: House;
  let home: Home;
  let bots: Watched[];
  let said: string[];

  const open = async (options: DiscordSimulatorOptions = {}) => {
    simulator = await startDiscordSimulator({ identifyEveryMs: 5_000, ...options });
    house = furnish(simulator);
    await Promise.all(others.map((role) => start({ ROLE: role })));
  };
  /** Starts one that listens. */
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    const bot = startDiscordBot(simulator, home, { ROLE: listener, ...env });
    bots.push(bot);
    await ready(bot);
    return bot;
  };
  /** Ann asks; her question is to be answered in the end. */
  const ask = (count = 1) => {
    for (let i = 0; i < count; i += 1) {
      const text = `<@${simulator.world.reception.id}> question ${said.length}`;
      said.push(simulator.world.say({ channel: house.general, author: house.ann, text }).id);
    }
  };
  /** Every question has one answer, and they came in the order of the questions. */
  const answeredOnce = async () => {
    const repliesTo = () => answersIn(simulator, house.general).map(({ replyTo }) => replyTo);
    await vi.waitFor(() => expect(new Set(repliesTo()).size).toBe(said.length), patience);
    expect(repliesTo()).toEqual(said);
  };
  const stop = async (bot: Watched, signal: NodeJS.Signals) => {
    bot.kill(signal);
    return bot.exited;
  };
  const gateway = (bot: Watched) => partOf(bot, "gateway");

  beforeEach(async () => {
    home = await openServerHome(others.length === 0 ? "empty" : "migrated");
    [bots, said] = [[], []];
  });
  afterEach(async () => {
    for (const bot of bots) bot.kill("SIGKILL");
    await Promise.all(bots.map((bot) => bot.exited));
    await simulator.close();
    await home.remove();
  });

  it("when its process is stopped under load: the next one resumes the session, and nothing is lost or answered twice", async () => {
    await open();
    // Who waits for the end of a lease of a minute is there after 40 s at the earliest: it is renewed every 20 s.
    const first = await start({ DISCORD_LEASE_SECONDS: "60" });
    ask(10);
    await start({ DISCORD_LEASE_SECONDS: "60" });
    ask(10);
    const since = performance.now();
    const stopped = stop(first, "SIGTERM");
    await vi.waitFor(() => expect(simulator.report().resumeds).toBe(1), patience);
    expect(performance.now() - since).toBeLessThan(30_000);
    expect(await stopped).toBe(0);
    ask(10);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, resumeds: 1, doubledPosts: [], refusedResumes: [] });
    expect(simulator.report().closesByClient["4200"]).toBe(1);
  });

  it("when its process is killed: another one takes over after the lease, from the watermark", async () => {
    await open();
    const first = await start();
    ask(5);
    await start();
    ask(10);
    await stop(first, "SIGKILL");
    ask(5);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, resumeds: 1, doubledPosts: [] });
  });

  it("when nobody listened for a while and the session is gone: a new one, and what was written meanwhile is fetched", async () => {
    await open();
    const first = await start();
    ask(3);
    await answeredOnce();
    expect(await stop(first, "SIGTERM")).toBe(0);
    ask(4);
    simulator.faults.expireSessions();
    await start();
    ask(2);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 2, doubledPosts: [] });
  });

  it("when its owner was paused and wakes after another has taken over: it is fenced and stores nothing", async () => {
    await open();
    const first = await start();
    ask(2);
    await answeredOnce();
    first.kill("SIGSTOP");
    await start();
    await vi.waitFor(() => expect(simulator.report().resumeds).toBe(1), patience);
    ask(3);
    await answeredOnce();
    first.kill("SIGCONT");
    const lost = (line: Readonly<Record<string, unknown>>) =>
      line["msg"] === "a shard was taken over by another process";
    await vi.waitFor(() => expect(first.log.filter(lost)).toHaveLength(1), patience);
    ask(3);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, doubledPosts: [] });
    expect(await gateway(first)).toMatchObject({ status: "healthy", details: { shards: 0 } });
  });

  it.each<[string, (simulator: DiscordSimulator) => void]>([
    ["Discord asks for a reconnect (op 7)", ({ faults }) => faults.askReconnect()],
    ["the connection is cut", ({ faults }) => faults.cut()],
    ["Discord closes with 4000", ({ faults }) => faults.close(4000)],
    ["the session timed out (4009)", ({ faults }) => faults.close(4009)],
    ["Discord closes with 1000", ({ faults }) => faults.close(1000)],
    ["the session is invalid but resumable (op 9)", ({ faults }) => faults.invalidate(true)],
  ])("when %s: it resumes", async (_, happen) => {
    await open();
    await start();
    ask(1);
    await answeredOnce();
    happen(simulator);
    ask(3);
    await vi.waitFor(() => expect(simulator.report().resumeds).toBe(1), patience);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, resumeds: 1, doubledPosts: [] });
  });

  it.each<[string, (simulator: DiscordSimulator) => void]>([
    ["its sequence is refused (4007)", ({ faults }) => faults.close(4007)],
    ["the session is invalid (op 9)", ({ faults }) => faults.invalidate(false)],
  ])("when %s: a new session, and what was missed is fetched", async (_, happen) => {
    await open();
    await start();
    ask(1);
    await answeredOnce();
    happen(simulator);
    ask(3);
    await vi.waitFor(() => expect(simulator.report().readies).toBe(2), patience);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 2, doubledPosts: [] });
  });

  it("when the connection is only half open: it is noticed by its heartbeats, and resumed", async () => {
    await open({ heartbeatIntervalMs: 1_000 });
    await start();
    ask(1);
    await answeredOnce();
    await vi.waitFor(() => expect(simulator.report().heartbeats).toBeGreaterThan(2), patience);
    simulator.faults.freeze();
    ask(2);
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, resumeds: 1, doubledPosts: [] });
  });

  it("when Discord is away: alive but not ready, with a growing back-off, and then everything is answered", async () => {
    await open();
    const bot = await start();
    ask(1);
    await answeredOnce();
    simulator.faults.goAway();
    await vi.waitFor(async () => expect((await bot.get("/health/ready")).status).toBe(503), patience);
    expect((await bot.get("/health/live")).status).toBe(200);
    ask(3);
    const waits = () =>
      bot.log.flatMap((line) => (line["msg"] === "connecting again later" ? [Number(line["waitMs"])] : []));
    await vi.waitFor(() => expect(waits().length).toBeGreaterThanOrEqual(3), patience);
    expect(waits().at(-1)).toBeGreaterThan(waits()[0] ?? 0);
    simulator.faults.comeBack();
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, doubledPosts: [] });
  });

  it("when an event is sent twice, with its own number or a new one: one answer", async () => {
    await open();
    await start();
    simulator.faults.add({ on: "gateway", fault: "duplicate", event: "MESSAGE_CREATE", times: 2, sameSequence: true });
    simulator.faults.add({ on: "gateway", fault: "duplicate", event: "MESSAGE_CREATE", times: 2 });
    ask(5);
    await answeredOnce();
    expect(simulator.faults.pending()).toEqual([]);
  });

  // What follows one process does by itself, whoever answers.
  if (others.length > 0) return;

  it("when its own lease has run out and nobody took the shard: it goes on with the connection that it has", async () => {
    await open();
    const bot = await start({ DISCORD_LEASE_SECONDS: "6" });
    ask(2);
    await answeredOnce();
    const shard = "select epoch, lease_until > now() as held from shards";
    const [before] = await administer(home.env["POSTGRESQL_URL"] ?? "", shard);
    await administer(home.env["POSTGRESQL_URL"] ?? "", "update shards set lease_until = now()");
    const look = async () => (await administer(home.env["POSTGRESQL_URL"] ?? "", shard))[0];
    await vi.waitFor(async () => expect(await look()).toMatchObject({ held: true }), patience);
    ask(2);
    await answeredOnce();
    expect(await look()).toEqual(before);
    expect(simulator.report()).toMatchObject({ connections: 1, takeOvers: 0, doubledPosts: [] });
    expect(await stop(bot, "SIGTERM")).toBe(0);
    await vi.waitFor(() => expect(simulator.report().liveSockets).toBe(0), patience);
  });

  it("when the address of its session is gone: it resumes where new sessions begin", async () => {
    await open();
    const first = await start();
    ask(2);
    await answeredOnce();
    expect(await stop(first, "SIGTERM")).toBe(0);
    ask(2);
    await administer(home.env["POSTGRESQL_URL"] ?? "", "update shards set resume_url = 'ws://127.0.0.1:9'");
    bots.push(startDiscordBot(simulator, home));
    await answeredOnce();
    expect(simulator.report()).toMatchObject({ identifies: 1, resumeds: 1, doubledPosts: [] });
  });

  it("when a server is not known any more: it is looked up, with what the bot may do there", async () => {
    await open();
    const { world } = simulator;
    const role = world.addRole(house.guild, { name: "bot" });
    world.setMember(house.guild, world.reception, { roles: [role] });
    const overwrites = [
      { of: house.guild.id, deny: ["sendMessages"] as const },
      { of: role, allow: ["sendMessages"] as const },
    ];
    const quiet = world.addChannel(house.guild, { name: "quiet", overwrites });
    const first = await start();
    ask(1);
    await answeredOnce();
    expect(await stop(first, "SIGTERM")).toBe(0);
    await administer(home.env["POSTGRESQL_URL"] ?? "", "delete from channels");
    await administer(home.env["POSTGRESQL_URL"] ?? "", "delete from guilds");
    await start();
    const asked = world.say({ channel: quiet, author: house.ann, text: `<@${world.reception.id}> here?` });
    await vi.waitFor(
      () => expect(answersIn(simulator, quiet).map(({ replyTo }) => replyTo)).toEqual([asked.id]),
      patience,
    );
  });

  it("when it needs a new session while Discord's REST API fails: it waits, and then everything is answered", async () => {
    await open();
    const bot = await start();
    ask(1);
    await answeredOnce();
    simulator.faults.add({ on: "rest", fault: "status", path: "/gateway/bot$", times: 5 });
    simulator.faults.invalidate(false);
    ask(2);
    await answeredOnce();
    expect(bot.log.filter(({ msg }) => msg === "a new session may not begin yet")).not.toEqual([]);
    expect(simulator.report()).toMatchObject({ identifies: 2, doubledPosts: [] });
    await vi.waitFor(async () => expect((await bot.get("/health/ready")).status).toBe(200), patience);
  });

  it("when its token is revoked: it stops calling, is not ready and says why, and does not crash", async () => {
    await open();
    const bot = await start();
    ask(1);
    await answeredOnce();
    simulator.faults.revokeToken(simulator.world.reception);
    await vi.waitFor(async () => expect((await bot.get("/health/ready")).status).toBe(503), patience);
    expect(await gateway(bot)).toMatchObject({
      status: "unhealthy",
      details: { reason: expect.stringMatching(/DISCORD_TOKEN/) },
    });
    expect((await bot.get("/health/live")).status).toBe(200);
    expect(simulator.report().requestsAfterUnauthorized).toBe(0);
    expect(await stop(bot, "SIGTERM")).toBe(0);
  });
});
