import { afterEach, expect, it } from "vitest";
import { makeRest } from "./bot.ts";
import { startDiscordSimulator, type DiscordSimulator, type DiscordSimulatorOptions } from "./simulator.ts";

let simulator: DiscordSimulator;
afterEach(() => simulator.close());

const ask = {
  name: "ask",
  description: "Ask something",
  options: [{ name: "question", description: "What", type: 3, required: true }],
};

async function start(options: DiscordSimulatorOptions = {}) {
  simulator = await startDiscordSimulator(options);
  const { world } = simulator;
  const ann = world.addUser("ann");
  const guild = world.addGuild({ name: "Sim", members: [ann, world.reception] });
  const general = world.addChannel(guild, { name: "general" });
  const rest = makeRest(simulator);
  const { id: app } = world.reception;
  const register = async (body: unknown) => rest.put(`/applications/${app}/commands`, { body });
  await register([ask]);
  const begin = () => world.interact({ user: ann, channel: general, command: "ask", options: { question: "why" } });
  const callBack = async ({ id, token }: { id: string; token: string }, body: object) =>
    rest.post(`/interactions/${id}/${token}/callback`, { body, auth: false });
  const original = ({ token }: { token: string }) => `/webhooks/${app}/${token}/messages/@original` as const;
  return { world, ann, guild, general, rest, app, register, begin, callBack, original };
}

it("shows a deferral and then its text, in the record of the interaction and in the channel", async () => {
  const { world, general, rest, begin, callBack, original } = await start();
  const interaction = begin();
  await callBack(interaction, { type: 5 });
  expect(interaction).toMatchObject({ deferred: true, ephemeral: false, reply: null, callbackType: 5 });
  await rest.patch(original(interaction), { auth: false, body: { content: "because" } });
  await rest.post(`/webhooks/${interaction.botId}/${interaction.token}`, { auth: false, body: { content: "more" } });
  expect(interaction).toMatchObject({
    reply: "because",
    messages: [{ content: "because", flags: 0 }, { content: "more" }],
  });
  expect(world.messages(general).map(({ content }) => content)).toEqual(["because", "more"]);
});

it("fills the promised place with the first follow-up", async () => {
  const { world, general, rest, begin, callBack } = await start();
  const interaction = begin();
  await callBack(interaction, { type: 5 });
  await rest.post(`/webhooks/${interaction.botId}/${interaction.token}`, { auth: false, body: { content: "because" } });
  expect(interaction.reply).toBe("because");
  expect(world.messages(general)).toHaveLength(1);
});

it("keeps an ephemeral answer out of the channel", async () => {
  const { world, general, begin, callBack } = await start();
  const interaction = begin();
  await callBack(interaction, { type: 4, data: { content: "psst", flags: 64 } });
  expect(interaction).toMatchObject({ ephemeral: true, reply: "psst" });
  expect(world.messages(general)).toEqual([]);
});

it("knows an interaction for three seconds, its token for fifteen minutes, and one first response", async () => {
  const clock = { now: Date.now() };
  const { rest, begin, callBack, original } = await start({ now: () => clock.now });
  const late = begin();
  clock.now += 3_001;
  await expect(callBack(late, { type: 5 })).rejects.toMatchObject({ status: 404, code: 10062 });
  expect(late.refused).toEqual([{ afterMs: 3_001, code: 10062 }]);

  const good = begin();
  clock.now += 2_999;
  await callBack(good, { type: 5 });
  await expect(callBack(good, { type: 4, data: { content: "x" } })).rejects.toMatchObject({ code: 40060 });
  clock.now += 897_000;
  await rest.patch(original(good), { auth: false, body: { content: "in time" } });
  clock.now += 2;
  await expect(rest.patch(original(good), { auth: false, body: { content: "x" } })).rejects.toMatchObject({
    status: 401,
    code: 50027,
  });
  expect(good).toMatchObject({ respondedAfterMs: 2_999, repliedAfterMs: 899_999, reply: "in time" });
});

it("lets people press what is on a message, and update it", async () => {
  const { world, ann, general, rest, begin, callBack } = await start();
  const row = { type: 1, components: [{ type: 2, style: 1, label: "More", custom_id: "more:1" }] };
  const said = (await rest.post(`/channels/${general.id}/messages`, { body: { content: "x", components: [row] } })) as {
    id: string;
  };
  expect(() => world.interact({ user: ann, channel: general, button: "less", message: said })).toThrow(/no component/u);
  const pressed = world.interact({ user: ann, channel: general, button: "more:1", message: said });
  await callBack(pressed, { type: 7, data: { content: "y", components: [] } });
  expect(world.message(said)).toMatchObject({ content: "y", components: [] });
  await expect(callBack(begin(), { type: 7, data: { content: "y" } })).rejects.toMatchObject({ code: 50035 });
});

it("lets people use only what is registered, with what it requires", async () => {
  const { world, ann, general, register } = await start();
  const use = (command: string, options = {}) => world.interact({ user: ann, channel: general, command, options });
  expect(() => use("nothing")).toThrow(/no command called nothing/u);
  expect(() => use("ask")).toThrow(/needs question/u);
  await register([
    {
      name: "memory",
      description: "Memory",
      options: [
        { type: 1, name: "forget", description: "Forget", options: [{ type: 6, name: "who", description: "Who" }] },
      ],
    },
    { name: "Remember this", type: 3 },
  ]);
  expect(use("memory forget", { who: ann.id }).data).toMatchObject({
    options: [{ name: "forget", options: [{ name: "who", type: 6, value: ann.id }] }],
    resolved: { users: { [ann.id]: { username: "ann" } } },
  });
  const message = world.say({ channel: general, author: ann, text: "note" });
  const menu = world.interact({ user: ann, channel: general, command: "Remember this", target: message });
  expect(menu.data).toMatchObject({ type: 3, resolved: { messages: { [message.id]: { content: "note" } } } });
});

it("refuses commands that Discord would, and keeps the id of one that stays", async () => {
  const { world, register } = await start();
  const before = world.commands(world.reception)[0]?.id;
  await register([{ ...ask, description: "Changed" }]);
  expect(world.commands(world.reception)[0]).toMatchObject({ id: before, description: "Changed" });
  for (const bad of [
    { ...ask, name: "Ask" },
    { ...ask, description: "" },
    { ...ask, description_localizations: { "de-DE": "x" } },
    { ...ask, options: [{ name: "a", description: "a", type: 3 }, ...ask.options] },
  ]) {
    await expect(register([bad])).rejects.toMatchObject({ status: 400, code: 50035 });
  }
  await expect(register([ask, ask])).rejects.toMatchObject({ code: 50035 });
});
