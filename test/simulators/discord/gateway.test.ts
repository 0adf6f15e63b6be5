import { afterEach, expect, it, vi } from "vitest";
import { makeRest, makeTestBot, type TestBot } from "./bot.ts";
import { startDiscordSimulator, type DiscordSimulator, type DiscordSimulatorOptions } from "./simulator.ts";

let simulator: DiscordSimulator;
const bots: TestBot[] = [];
afterEach(async () => {
  await Promise.all(bots.splice(0).map(async (one) => one.end()));
  await simulator.close();
});

async function start(options: DiscordSimulatorOptions = {}) {
  simulator = await startDiscordSimulator({ identifyEveryMs: 0, ...options });
  const { world, faults } = simulator;
  const ann = world.addUser("ann");
  const guild = world.addGuild({ name: "Sim", members: [ann, world.reception] });
  const general = world.addChannel(guild, { name: "general" });
  const say = (text: string) => world.say({ channel: general, author: ann, text });
  return { world, faults, ann, guild, general, say };
}

function bot(options: Parameters<typeof makeTestBot>[1] = {}): TestBot {
  const made = makeTestBot(simulator, options);
  bots.push(made);
  return made;
}

const names = ({ heard }: TestBot) => heard.map(({ t }) => t);
const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 10 });

it("greets with READY and each guild, then tells of messages in one sequence", async () => {
  const { say, guild, general } = await start();
  const one = bot();
  await one.manager.connect();
  say("hello");
  await until(() => expect(one.contents()).toEqual(["hello"]));
  expect(one.heard.map(({ t, s }) => [t, s])).toEqual([
    ["READY", 1],
    ["GUILD_CREATE", 2],
    ["MESSAGE_CREATE", 3],
  ]);
  expect(one.heard[1]?.d).toMatchObject({ id: guild.id, channels: [{ id: general.id, name: "general" }] });
});

it("resumes another process's session after a close with 4200, with exactly what was missed", async () => {
  const { say } = await start();
  const first = bot();
  await first.manager.connect();
  say("1");
  say("2");
  await until(() => expect(first.contents()).toEqual(["1", "2"]));
  const session = first.sessions.get(0);
  await first.manager.destroy({ code: 4200 });
  say("3");
  const second = bot();
  // The watermark stands at "1": what came after it was received and not stored.
  second.sessions.set(0, { ...session, sequence: 3 } as NonNullable<typeof session>);
  await second.manager.connect();
  say("4");
  await until(() => expect(second.contents()).toEqual(["2", "3", "4"]));
  expect(names(second)).toEqual(["MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED", "MESSAGE_CREATE"]);
  expect(simulator.report()).toMatchObject({ identifies: 1, resumes: 1, resumeds: 1, replayed: 2, sessionsEnded: 0 });
});

it("ends the session when its client closes with 1000, so that a resume is refused", async () => {
  const { say } = await start();
  const first = bot();
  await first.manager.connect();
  const session = first.sessions.get(0);
  await first.manager.destroy({ code: 1000 });
  say("lost");
  const second = bot();
  second.sessions.set(0, session as NonNullable<typeof session>);
  await second.manager.connect();
  say("heard");
  await until(() => expect(second.contents()).toEqual(["heard"]));
  expect(simulator.report()).toMatchObject({ identifies: 2, resumeds: 0, closesByClient: { 1000: 2 } });
  expect(simulator.report().refusedResumes[0]?.reason).toBe("unknown or expired session");
});

it("keeps a session no longer than told", async () => {
  await start({ sessionKeepMs: 20 });
  const first = bot();
  await first.manager.connect();
  await first.manager.destroy({ code: 4200 });
  await until(() => expect(simulator.report()).toMatchObject({ sessions: 0, sessionsEnded: 1 }));
});

it("gives a live session to whoever resumes it, and closes the socket that had it", async () => {
  const { say } = await start();
  const first = bot();
  await first.manager.connect();
  const second = bot();
  second.sessions.set(0, first.sessions.get(0) as NonNullable<ReturnType<typeof first.sessions.get>>);
  // The first would take it back at once: that two owners play ping-pong is what a lease must prevent.
  first.manager.options.retrieveSessionInfo = () => null;
  await second.manager.connect();
  await until(() => expect(first.closes).toContain(4000));
  expect(simulator.report()).toMatchObject({ takeOvers: 1, resumeds: 1 });
  say("hello");
  await until(() => expect(second.contents()).toEqual(["hello"]));
});

it("refuses a sequence that is ahead with 4007", async () => {
  await start();
  const one = bot();
  await one.manager.connect();
  const session = one.sessions.get(0);
  await one.manager.destroy({ code: 4200 });
  one.sessions.set(0, { ...session, sequence: 99 } as NonNullable<typeof session>);
  await one.manager.connect();
  expect(one.closes).toContain(4007);
  expect(simulator.report()).toMatchObject({ identifies: 2, resumeds: 0 });
});

it("refuses the IDENTIFY of a second client that comes too soon, and counts it", async () => {
  await start({ identifyEveryMs: 300, recommendedShards: 2 });
  const [one, other] = [bot({ shardCount: 2, shardIds: [0] }), bot({ shardCount: 2, shardIds: [1] })];
  await Promise.all([one.manager.connect(), other.manager.connect()]);
  await until(() => expect(simulator.report().readies).toBe(2));
  const { identifies, refusedIdentifies } = simulator.report();
  expect(refusedIdentifies.length).toBeGreaterThan(0);
  expect(identifies).toBe(2 + refusedIdentifies.length);
});

it("lets shards of different remainders identify at once with max_concurrency", async () => {
  await start({ identifyEveryMs: 60_000, maxConcurrency: 2, recommendedShards: 2 });
  const one = bot();
  await one.manager.connect();
  expect(simulator.report()).toMatchObject({ identifies: 2, readies: 2, refusedIdentifies: [] });
});

it("resets the token of whoever identifies more often than a day allows", async () => {
  await start({ identifyBudget: 1 });
  const one = bot();
  await one.manager.connect();
  expect(await one.rest.get("/gateway/bot")).toMatchObject({ session_start_limit: { total: 1, remaining: 0 } });
  simulator.faults.invalidate(false);
  await until(() => expect(one.closes).toContain(4004));
  await expect(one.rest.get("/users/@me")).rejects.toMatchObject({ status: 401 });
  expect(simulator.report().tokenResets).toEqual(["reception: more IDENTIFYs than the daily budget"]);
});

it("sends each guild's events to its shard only, and direct messages to shard 0", async () => {
  const { world, ann } = await start({ recommendedShards: 2 });
  const one = bot();
  await one.manager.connect();
  const guilds = [1, 2, 3].map((number) => world.addGuild({ name: `${number}`, members: [world.reception] }));
  for (const guild of guilds) {
    world.say({ channel: world.addChannel(guild, { name: "c" }), author: ann, text: `${world.shardOf(guild, 2)}` });
  }
  world.say({ channel: world.openDm(ann, world.reception), author: ann, text: "0" });
  await until(() => expect(one.contents()).toHaveLength(4));
  const messages = one.heard.filter(({ t }) => t === "MESSAGE_CREATE");
  expect(messages.map(({ shard }) => String(shard))).toEqual(messages.map(({ d }) => d["content"]));
  expect(new Set(messages.map(({ shard }) => shard)).size).toBe(2);
});

it("withholds events without their intent, and blanks content without MessageContent but for mentions and direct messages", async () => {
  const { world, ann, general, say } = await start();
  const one = bot({ intents: 1 | (1 << 9) | (1 << 12) });
  await one.manager.connect();
  world.react(say("secret"), ann, "👍");
  say(`<@${world.reception.id}> hi`);
  world.say({ channel: world.openDm(ann, world.reception), author: ann, text: "direct" });
  await one.rest.post(`/channels/${general.id}/messages`, { body: { content: "own" } });
  await until(() => expect(one.contents()).toEqual(["", `<@${world.reception.id}> hi`, "direct", "own"]));
  expect(names(one)).not.toContain("MESSAGE_REACTION_ADD");
});

it.each([
  [4014, { intents: (1 << 15) | 1 }, "Used disallowed intents"],
  [4013, { intents: 1 << 30 }, "Used invalid intents"],
  [4004, { intents: 1, token: "nobody's" }, "Authentication failed"],
])("closes with %i what asks for too much", async (code, options, message) => {
  const { world } = await start();
  world.setPrivileged(world.reception, []);
  const one = bot({ ...options, rest: makeRest(simulator) });
  one.manager.connect().catch(() => undefined);
  await until(() => expect(one.errors[0]?.message).toBe(message));
  expect(one.closes).toEqual([code]);
});

const identify = { op: 2, d: { token: "sim", intents: 1, properties: {}, shard: [0, 1] } };

it.each([
  [4001, [{ op: 99 }]],
  [4002, ["{"]],
  [4002, [{ op: 2, d: { token: "sim" } }]],
  [4003, [{ op: 3, d: {} }]],
  [4005, [identify, identify]],
  [4008, Array.from({ length: 121 }, () => ({ op: 1, d: null }))],
  [4010, [{ ...identify, d: { ...identify.d, shard: [1, 1] } }]],
])("closes with %i what breaks the protocol", async (code, frames) => {
  await start();
  expect(await closeOf("v=10&encoding=json", frames)).toBe(code);
});

it("closes with 4011 a shard with too many guilds, and with 4012 another version", async () => {
  await start({ guildsPerShard: 0 });
  expect(await closeOf("v=10", [identify])).toBe(4011);
  expect(await closeOf("v=6", [])).toBe(4012);
});

it("closes with 4009 what does not beat, and keeps its session", async () => {
  await start({ heartbeatIntervalMs: 100 });
  expect(await closeOf("v=10&encoding=json", [identify])).toBe(4009);
  await until(() => expect(simulator.report()).toMatchObject({ sessions: 1, closesByServer: { 4009: 1 } }));
});

/** Sends these frames over a bare socket and waits for the code that it is closed with. */
async function closeOf(query: string, frames: readonly unknown[]): Promise<number> {
  const socket = new WebSocket(`${simulator.url.replace("http", "ws")}/gateway?${query}`);
  return new Promise((resolve) => {
    socket.onclose = ({ code }) => resolve(code);
    socket.onopen = () => {
      for (const frame of frames) socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    };
  });
}

it("tells a bot of a guild it comes into or is thrown out of, and of what changes there", async () => {
  const { world, guild, general, say } = await start();
  const one = bot();
  await one.manager.connect();
  const other = world.addGuild({ name: "Other" });
  world.addMember(other, world.reception);
  world.setChannel(general, { name: "renamed" });
  world.addThread(general, { name: "t", owner: world.reception });
  const said = [say("https://example.com"), say("spam")];
  world.unfurl(said[0]?.id ?? "", [{ title: "Example" }]);
  world.deleteMany(general, said);
  world.removeMember(guild, world.reception);
  say("unheard");
  world.setUnavailable(other, true);
  await until(() => expect(one.heard.at(-1)?.d).toEqual({ id: other.id, unavailable: true }));
  expect(names(one).slice(2)).toEqual([
    "GUILD_CREATE",
    "CHANNEL_UPDATE",
    "THREAD_CREATE",
    "MESSAGE_CREATE",
    "MESSAGE_CREATE",
    "MESSAGE_UPDATE",
    "MESSAGE_DELETE_BULK",
    "GUILD_DELETE",
    "GUILD_DELETE",
  ]);
  expect(one.heard.find(({ t }) => t === "MESSAGE_UPDATE")?.d).toMatchObject({ edited_timestamp: null });
});
