import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, expect, it, vi } from "vitest";
import { makeRest, makeTestBot } from "./bot.ts";
import { connectDiscordSimulator } from "./remote.ts";

let child: ChildProcess;
afterEach(async () => {
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  expect(await gone).toEqual([0, null]);
});

/** Starts the program as a person would, on any free port. */
async function start(...args: readonly string[]) {
  child = spawn(process.execPath, [`${import.meta.dirname}/main.ts`, "--port", "0", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line")) as [string];
  const url = /http:\S+/u.exec(line)?.[0] ?? "";
  const post = async (what: string, body: unknown) => {
    const response = await fetch(`${url}/control/${what}`, { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  };
  const get = async (what: string): Promise<unknown> => (await fetch(`${url}/control/${what}`)).json();
  return { url, post, get };
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 20 });

it("is driven over HTTP by names, and a bot with the token sim lives in it", async () => {
  const { url, post, get } = await start();
  const bot = makeTestBot({ url }, { token: "sim" });
  await bot.manager.connect();
  const { id } = await post("say", { as: "ann", channel: "general", text: "hello" });
  await post("say", { as: "ben", channel: "dm", text: "psst" });
  await post("edit", { message: id, text: "hello all" });
  await post("react", { as: "cho", message: id, emoji: "👍" });
  await until(() => expect(bot.contents()).toEqual(["hello", "psst"]));
  await until(() => expect(bot.heard.at(-1)).toMatchObject({ t: "MESSAGE_REACTION_ADD" }));
  expect(await get("messages?channel=general")).toMatchObject([
    { content: "hello all", reactions: { "👍": [expect.any(String)] } },
  ]);
  expect(await get("view?as=cho&channel=")).toMatchObject({ messages: [{ content: "hello all" }], commands: [] });
  expect(await post("say", { as: "nobody", channel: "general", text: "x" })).toEqual({
    error: "there is nobody called nobody",
  });
  await bot.end();
});

it("hides a private channel from people and bots without the role", async () => {
  const { url, get } = await start();
  const titles = async (as: string) =>
    ((await get(`view?as=${as}`)) as { channels: { title: string }[] }).channels.map(({ title }) => title);
  expect(await titles("ann")).toContain("#mods");
  expect(await titles("ben")).not.toContain("#mods");
  expect(await titles("cho")).toContain("#mods");
  const { channels } = (await get("world")) as { channels: { id: string; name: string }[] };
  const mods = channels.find(({ name }) => name === "mods");
  const voice = makeRest({ url }, "sim-voice-technical");
  await expect(voice.get(`/channels/${mods?.id}`)).rejects.toMatchObject({ code: 50001 });
});

it("offers every function of the world and of the faults to another process", async () => {
  const { url } = await start("--empty", "--limit", "nonceKeepMs=1000");
  const { world, faults, report } = connectDiscordSimulator(url);
  const [reception] = await world.bots();
  const ann = await world.addUser("ann");
  const guild = await world.addGuild({ name: "Far", members: [ann, reception ?? ""] });
  const general = await world.addChannel(guild, {
    name: "general",
    overwrites: [{ of: guild, deny: ["sendMessages"] }],
  });
  await world.say({ channel: general, author: ann, text: "hi" });
  expect(await world.messages(general)).toMatchObject([{ content: "hi", authorName: "ann" }]);
  expect(await world.permissionsIn(general, ann)).not.toContain("sendMessages");

  await faults.add({ on: "rest", fault: "status", status: 500 });
  await expect(makeRest({ url }).get("/users/@me")).rejects.toMatchObject({ status: 500 });
  await faults.goAway();
  await expect(makeRest({ url }).get("/users/@me")).rejects.toThrow(/closed|reset|socket/iu);
  await faults.comeBack();
  expect(await makeRest({ url }).get("/users/@me")).toMatchObject({ username: "reception" });
  expect((await report()).faultsUsed).toEqual({ "rest status": 1 });
  await expect(world.message("1")).rejects.toThrow("the simulator has no message 1");
});

it("serves a page, and registers what a command answers", async () => {
  const { url, post, get } = await start();
  expect(await (await fetch(url)).text()).toMatch(/<title>Discord simulator<\/title>/u);
  const rest = makeRest({ url }, "sim");
  const { id } = (await rest.get("/users/@me")) as { id: string };
  await rest.put(`/applications/${id}/commands`, { body: [{ name: "status", description: "Status" }] });
  const interaction = (await post("interact", { as: "ann", channel: "general", command: "status" })) as {
    id: string;
    token: string;
  };
  const data = { content: "fine", flags: 64 };
  await rest.post(`/interactions/${interaction.id}/${interaction.token}/callback`, {
    auth: false,
    body: { type: 4, data },
  });
  expect(await get("view?as=ann")).toMatchObject({
    commands: [{ name: "status" }],
    messages: [{ content: "fine", ephemeral: true }],
  });
  expect(await get("view?as=ben")).toMatchObject({ messages: [] });
});
