import { afterEach, expect, it } from "vitest";
import { makeRest } from "./bot.ts";
import {
  realBuckets,
  startDiscordSimulator,
  type DiscordSimulator,
  type DiscordSimulatorOptions,
} from "./simulator.ts";

let simulator: DiscordSimulator;
afterEach(() => simulator.close());

async function start(options: DiscordSimulatorOptions = {}) {
  simulator = await startDiscordSimulator(options);
  const { world, faults } = simulator;
  const ann = world.addUser("ann");
  const guild = world.addGuild({ name: "Sim", members: [ann, world.reception] });
  const general = world.addChannel(guild, { name: "general" });
  const rest = makeRest(simulator);
  const messages = `/channels/${general.id}/messages` as const;
  const post = async (body: object) => (await rest.post(messages, { body })) as { id: string; content: string };
  return { world, faults, ann, guild, general, rest, messages, post };
}

it("returns the message that is there when the same author sends the same nonce again", async () => {
  const { world, general, post } = await start({ nonceKeepMs: 60_000 });
  const body = { content: "once", nonce: "m1-technical-0", enforce_nonce: true };
  const [first, second] = [await post(body), await post({ ...body, content: "twice" })];
  expect(second).toMatchObject({ id: first.id, content: "once" });
  await post({ ...body, enforce_nonce: false });
  const voice = world.addBot({ name: "voice", token: "sim-voice-technical-0000" });
  world.addMember(general.guildId ?? "", voice);
  await makeRest(simulator, "sim-voice-technical-0000").post(`/channels/${general.id}/messages`, { body });
  expect(world.messages(general).map(({ authorName }) => authorName)).toEqual(["reception", "reception", "voice"]);
  expect(simulator.report()).toMatchObject({ posts: 3, dedupedPosts: 1 });
});

it("forgets a nonce after its time, and then counts a doubled post", async () => {
  const clock = { now: Date.now() };
  const { world, general, ann, post } = await start({ now: () => clock.now });
  const asked = world.say({ channel: general, author: ann, text: "?" });
  const body = { content: "!", nonce: "n", enforce_nonce: true, message_reference: { message_id: asked.id } };
  await post(body);
  clock.now += 299_000;
  await post(body);
  expect(simulator.report()).toMatchObject({ posts: 1, doubledPosts: [] });
  clock.now += 2_000;
  await post(body);
  expect(simulator.report()).toMatchObject({ posts: 2, doubledPosts: [{ replyTo: asked.id, content: "!" }] });
});

it("keeps the message when only the reply is lost", async () => {
  const { world, faults, general, post } = await start();
  faults.add({ on: "rest", fault: "act-then-drop", path: "/messages$", method: "POST" });
  await expect(post({ content: "hello", nonce: "1", enforce_nonce: true })).rejects.toThrow(/closed|socket|reset/iu);
  expect(await post({ content: "hello", nonce: "1", enforce_nonce: true })).toMatchObject({ content: "hello" });
  expect(world.messages(general)).toHaveLength(1);
});

it.each([
  [{ on: "rest", fault: "status" }, { status: 503 }],
  [{ on: "rest", fault: "html" }, { status: 502 }],
  [
    { on: "rest", fault: "error", status: 403, code: 50013 },
    { status: 403, code: 50013 },
  ],
] as const)("does nothing but fail as scripted: %j", async (fault, error) => {
  const { world, faults, general, post } = await start();
  faults.add(fault);
  await expect(post({ content: "a" })).rejects.toMatchObject(error);
  expect(world.messages(general)).toEqual([]);
  await post({ content: "b" });
  expect(world.messages(general)).toHaveLength(1);
});

it("hangs when told to, until the client gives up", async () => {
  const { faults, general } = await start();
  faults.add({ on: "rest", fault: "hang", times: null });
  const rest = makeRest(simulator).setToken("sim");
  rest.options.timeout = 100;
  await expect(rest.get(`/channels/${general.id}`)).rejects.toThrow(/abort/iu);
});

it("answers 429 with the scope and time it was told, which the client library waits out", async () => {
  const { faults, post } = await start();
  faults.add({ on: "rest", fault: "429", scope: "shared", retryAfterSeconds: 0.2 });
  const askedAt = Date.now();
  await post({ content: "later" });
  expect(Date.now() - askedAt).toBeGreaterThan(190);
  expect(simulator.report()).toMatchObject({ restStatuses: { 429: 1, 200: 1 }, invalidRequests: 0 });
});

it("refuses the sixth message in five seconds to a client that does not read the headers", async () => {
  const { messages } = await start(realBuckets);
  const post = async () =>
    fetch(`${simulator.url}/api/v10${messages}`, {
      method: "POST",
      headers: { authorization: "Bot sim", "content-type": "application/json" },
      body: '{"content":"x"}',
    });
  const replies = [];
  for (let number = 0; number < 6; number += 1) replies.push(await post());
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
  expect(replies.map(({ headers }) => headers.get("x-ratelimit-remaining"))).toEqual(["4", "3", "2", "1", "0", "0"]);
  expect(replies[5]?.headers.get("x-ratelimit-scope")).toBe("user");
  expect(await replies[5]?.json()).toMatchObject({ global: false, retry_after: expect.any(Number) as number });
  expect(simulator.report()).toMatchObject({ rateViolations: { bucket: 1, global: 0 }, invalidRequests: 1 });
});

it("counts more than fifty requests in a second, without refusing them unless told to", async () => {
  const { rest } = await start();
  rest.options.globalRequestsPerSecond = 1_000;
  await Promise.all(
    Array.from({ length: 60 }, (_, number) =>
      rest.get(`/users/@me`, { query: new URLSearchParams({ number: `${number}` }) }),
    ),
  );
  expect(simulator.report()).toMatchObject({ rateViolations: { global: 10 }, invalidRequests: 0 });
});

it("lists messages newest first, after, before and around an id", async () => {
  const { world, rest, messages, general, ann } = await start();
  const said = ["1", "2", "3", "4", "5"].map((text) => world.say({ channel: general, author: ann, text }));
  const list = async (query: Record<string, string>) =>
    ((await rest.get(messages, { query: new URLSearchParams(query) })) as { content: string }[])
      .map(({ content }) => content)
      .join("");
  expect(await list({})).toBe("54321");
  expect(await list({ after: said[1]?.id ?? "", limit: "2" })).toBe("43");
  expect(await list({ before: said[3]?.id ?? "", limit: "2" })).toBe("32");
  expect(await list({ around: said[2]?.id ?? "", limit: "3" })).toBe("432");
  await expect(list({ limit: "101" })).rejects.toMatchObject({ code: 50035 });
});

it.each([
  ["empty", { content: "  \n" }, 50006],
  ["too long", { content: "x".repeat(2_001) }, 50035],
  ["a nonce too long", { content: "x", nonce: "n".repeat(26) }, 50035],
  ["a reply to nothing", { content: "x", message_reference: { message_id: "1" } }, 50035],
  ["parse and users at once", { content: "x", allowed_mentions: { parse: ["users"], users: ["1"] } }, 50035],
])("refuses a message that is %s", async (_, body, code) => {
  const { post } = await start();
  await expect(post(body)).rejects.toMatchObject({ status: 400, code });
});

it("sends a reply to a deleted message as a plain one when it may", async () => {
  const { world, ann, general, post } = await start();
  const asked = world.say({ channel: general, author: ann, text: "?" });
  world.delete(asked);
  const reference = { message_id: asked.id, fail_if_not_exists: false };
  await post({ content: "x", message_reference: reference });
  expect(world.messages(general)).toMatchObject([{ content: "x", replyTo: null }]);
});

it("computes permissions from roles, overwrites and threads, and refuses with 50001 and 50013", async () => {
  const { world, guild, ann, rest } = await start();
  const bots = world.addRole(guild, { name: "bots" });
  const hide = { of: guild, deny: ["viewChannel"] } as const;
  const mods = world.addChannel(guild, { name: "mods", overwrites: [hide] });
  const post = async (channel: { id: string }) =>
    rest.post(`/channels/${channel.id}/messages`, { body: { content: "x" } });
  await expect(post(mods)).rejects.toMatchObject({ status: 403, code: 50001 });
  await expect(rest.get(`/channels/${mods.id}`)).rejects.toMatchObject({ code: 50001 });

  world.setChannel(mods, { overwrites: [hide, { of: bots, allow: ["viewChannel"], deny: ["sendMessages"] }] });
  world.setMember(guild, world.reception, { roles: [bots] });
  expect(await rest.get(`/channels/${mods.id}/messages`)).toEqual([]);
  await expect(post(mods)).rejects.toMatchObject({ status: 403, code: 50013 });
  const thread = world.addThread(mods, { name: "t", owner: ann });
  await post(thread);
  const secret = world.addThread(mods, { name: "s", owner: ann, private: true });
  await expect(post(secret)).rejects.toMatchObject({ code: 50001 });
  world.joinThread(secret, world.reception);
  await post(secret);

  // Of two roles the one that allows wins, and the member's own overwrite wins over both.
  const loud = world.addRole(guild, { name: "loud" });
  world.setMember(guild, world.reception, { roles: [bots, loud] });
  const roles = [
    { of: loud, allow: ["sendMessages"] },
    { of: bots, deny: ["sendMessages"] },
  ] as const;
  world.setChannel(mods, { overwrites: roles });
  await post(mods);
  world.setChannel(mods, { overwrites: [...roles, { of: world.reception, deny: ["sendMessages"] }] });
  await expect(post(mods)).rejects.toMatchObject({ code: 50013 });

  world.setMember(guild, world.reception, { timeoutUntil: Date.now() + 60_000 });
  await expect(post(thread)).rejects.toMatchObject({ code: 50013 });
  await expect(post({ id: "123456789012345678" })).rejects.toMatchObject({ status: 404, code: 10003 });
});

it("records whom a message would have pinged", async () => {
  const { world, guild, general, ann, post } = await start();
  const ben = world.addUser("ben");
  world.addMember(guild, ben);
  const mods = world.addRole(guild, { name: "mods", mentionable: true });
  const asked = world.say({ channel: general, author: ann, text: "?" });
  const reply = { message_reference: { message_id: asked.id } };
  const content = `@everyone <@${ben.id}> <@&${mods.id}> \`@here <@${world.reception.id}>\``;
  const pingedBy = async (body: object) => world.message(await post(body)).pinged;
  expect(await pingedBy({ content, ...reply })).toEqual({ everyone: true, users: [ben.id, ann.id], roles: [mods.id] });
  const none = { everyone: false, users: [], roles: [] };
  expect(await pingedBy({ content, ...reply, allowed_mentions: { parse: [] } })).toEqual(none);
  expect(await pingedBy({ content, ...reply, allowed_mentions: { parse: [], replied_user: true } })).toEqual({
    ...none,
    users: [ann.id],
  });
  expect(await pingedBy({ content, allowed_mentions: { users: [ben.id] } })).toEqual({ ...none, users: [ben.id] });
  world.setRole(guild, guild.id, { permissions: ["viewChannel", "sendMessages"] });
  expect((await pingedBy({ content })).everyone).toBe(false);
});

it("edits and deletes only what is the bot's own, and keeps what it said before", async () => {
  const { world, rest, messages, general, ann, post } = await start();
  const own = await post({ content: "draft" });
  await rest.patch(`${messages}/${own.id}`, { body: { content: "final" } });
  expect(world.message(own)).toMatchObject({ content: "final", edits: [{ before: "draft" }] });
  const others = world.say({ channel: general, author: ann, text: "mine" });
  await expect(rest.patch(`${messages}/${others.id}`, { body: { content: "x" } })).rejects.toMatchObject({
    code: 50005,
  });
  await expect(rest.delete(`${messages}/${others.id}`)).rejects.toMatchObject({ code: 50013 });
  await rest.delete(`${messages}/${own.id}`);
  await expect(rest.get(`${messages}/${own.id}`)).rejects.toMatchObject({ status: 404, code: 10008 });
  expect(world.messages(general, { deleted: true })[0]?.deletedAt).toEqual(expect.any(Number));
});

it("takes files, and serves them again", async () => {
  const { world, general, rest, messages } = await start();
  const posted = (await rest.post(messages, {
    body: { content: "long" },
    files: [{ name: "answer.md", data: Buffer.from("# Ä"), contentType: "text/markdown" }],
  })) as { attachments: { url: string }[] };
  expect(world.messages(general)[0]?.attachments).toMatchObject([{ filename: "answer.md", text: "# Ä" }]);
  expect(await (await fetch(posted.attachments[0]?.url ?? "")).text()).toBe("# Ä");
});

it("says 401 to a bad token, and notes who asks again with a revoked one", async () => {
  const { world, faults, rest } = await start();
  await expect(makeRest(simulator, "x".repeat(30)).get("/users/@me")).rejects.toMatchObject({ status: 401 });
  faults.revokeToken(world.reception);
  await expect(rest.get("/users/@me")).rejects.toMatchObject({ status: 401 });
  expect(simulator.report()).toMatchObject({ requestsAfterUnauthorized: 1, invalidRequests: 2 });
});

it("speaks through a webhook under its name, which must not contain discord", async () => {
  const { world, guild, general, rest } = await start();
  const make = async (name: string) =>
    (await rest.post(`/channels/${general.id}/webhooks`, { body: { name } })) as { id: string; token: string };
  await expect(make("technical")).rejects.toMatchObject({ code: 50013 });
  world.setRole(guild, guild.id, { permissions: ["viewChannel", "manageWebhooks"] });
  await expect(make("my discord voice")).rejects.toMatchObject({ code: 50035 });
  const { id, token } = await make("technical");
  const anonymous = makeRest(simulator);
  const said = await anonymous.post(`/webhooks/${id}/${token}`, {
    auth: false,
    body: { content: "hi", username: "Technical" },
    query: new URLSearchParams({ wait: "true" }),
  });
  expect(said).toMatchObject({ webhook_id: id, author: { username: "Technical", bot: true } });
  // Without `auth: false` the library would take the 401 for its own token's and forget that.
  const wrong = { auth: false, body: { content: "x" } };
  await expect(anonymous.post(`/webhooks/${id}/wrong`, wrong)).rejects.toMatchObject({ status: 401, code: 50027 });
  await expect(anonymous.post(`/webhooks/1/wrong`, wrong)).rejects.toMatchObject({ status: 404, code: 10015 });
});
