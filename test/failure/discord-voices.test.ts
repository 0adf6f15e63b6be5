import { afterEach, describe, expect, it, vi } from "vitest";
import type { DiscordSimulatorOptions } from "../simulators/discord/simulator.ts";
import { answersIn } from "./discord-bot.ts";
import { openHouse, type House } from "./discord-house.ts";
import type { Watched } from "./process.ts";

const patience = { timeout: 30_000, interval: 25 };
const teoToken = "sim-teo-token-0000000000";

describe("an agent with a bot of its own", () => {
  let house: House;
  afterEach(() => house.close());
  const open = async () => {
    house = await openHouse();
    const { world, guild } = house;
    const teo = world.addBot({ name: "teo", token: teoToken });
    world.addMember(guild, teo);
    return { ...house, teo };
  };
  const askTeo = (text: string, channel: { readonly id: string } = house.general) =>
    house.ask(text, { channel, model: { reply: { agent: "teo", reply: `Re: ${text}` } } });
  /** What /status says of a voice that cannot be used; a report holds for a second. */
  const saysOfVoices = (bot: Watched, words: object | undefined) =>
    vi.waitFor(async () => {
      const { impaired } = (await (await bot.get("/status")).json()) as { impaired: Record<string, unknown> };
      expect(impaired["discord"]).toEqual(words);
    }, patience);
  const mute = expect.objectContaining({ status: "degraded", details: expect.objectContaining({ refused: "teo" }) });

  it("speaks as that bot, without its name before it; the others speak through the reception, which names them", async () => {
    const { world, teo, start, ask, answered } = await open();
    const bot = await start({ DISCORD_TOKEN_TEO: teoToken });
    const own = await answered(askTeo("which version?"), "which version?");
    expect([own.authorId, own.content]).toEqual([teo.id, "Re: which version?"]);
    const other = await answered(ask("how are you?"), "how are you?");
    expect([other.authorId, other.content]).toEqual([world.reception.id, "**Mira:** Re: how are you?"]);
    await saysOfVoices(bot, undefined);
  });

  it("is called by its mention, and neither bot answers the other", async () => {
    const { discord, world, teo, general, ann, gemini, start, answered, ask } = await open();
    await start({ DISCORD_TOKEN_TEO: teoToken });
    const reply = `I am here, <@${world.reception.id}> and <@${teo.id}>!`;
    gemini.script({ when: "and who are you?</message>", reply: { agent: "teo", reply } });
    const asked = world.say({ channel: general, author: ann, text: `<@${teo.id}> and who are you?` });
    const answer = await answered(asked, "I am here");
    expect(answer.authorId).toBe(teo.id);
    await answered(ask("is it quiet?"), "is it quiet?");
    expect(answersIn(discord, general)).toHaveLength(2);
  });

  it("is spoken for by the reception when its token is bad, and /status says so", async () => {
    const { discord, world, start, answered } = await open();
    const bot = await start({ DISCORD_TOKEN_TEO: "nobody-knows-this-token" });
    const answer = await answered(askTeo("which version?"), "which version?");
    expect([answer.authorId, answer.content]).toEqual([world.reception.id, "**Teo:** Re: which version?"]);
    await saysOfVoices(bot, mute);
    expect((await bot.get("/health/ready")).status).toBe(200);
    expect(discord.report().restStatuses["401"]).toBe(1);
  });

  it("is spoken for by the reception once its token is revoked, from the very next answer", async () => {
    const { discord, world, teo, start, answered } = await open();
    const bot = await start({ DISCORD_TOKEN_TEO: teoToken });
    expect((await answered(askTeo("one?"), "one?")).authorId).toBe(teo.id);
    discord.faults.revokeToken(teo);
    for (const text of ["two?", "three?"])
      expect((await answered(askTeo(text), text)).authorId).toBe(world.reception.id);
    await saysOfVoices(bot, mute);
    expect(discord.report().restStatuses["401"]).toBe(1);
    expect(answersIn(discord, house.general)).toHaveLength(3);
  });

  it.each(["viewChannel", "sendMessages"] as const)(
    "is spoken for by the reception in a channel where it lacks %s",
    async (missing) => {
      const { discord, world, guild, teo, start, answered } = await open();
      const closed = world.addChannel(guild, { name: "closed", overwrites: [{ of: teo.id, deny: [missing] }] });
      const bot = await start({ DISCORD_TOKEN_TEO: teoToken });
      const answer = await answered(askTeo("which version?", closed), "which version?");
      expect([answer.authorId, answer.content]).toEqual([world.reception.id, "**Teo:** Re: which version?"]);
      expect((await answered(askTeo("and here?"), "and here?")).authorId).toBe(teo.id);
      expect(discord.report().doubledPosts).toEqual([]);
      await saysOfVoices(bot, undefined);
    },
  );
});

describe("whoever has to wait is told how long, and the promise becomes the answer, in one message", () => {
  let house: House;
  afterEach(() => house.close());
  const open = async (env: Readonly<Record<string, string>>, options: DiscordSimulatorOptions = {}) => {
    house = await openHouse(options);
    const { world, guild } = house;
    world.addMember(guild, world.addBot({ name: "teo", token: teoToken }));
    await house.start(env);
    return house;
  };
  /** The model's quota is used up for so long. */
  const quotaIsGone = (seconds: number) =>
    house.gemini.script({ on: "generate", fault: "429-minute", retryDelaySeconds: seconds });
  const told = async (asked: { readonly id: string }, words: RegExp) => {
    const notice = () => house.repliesTo(house.world.message(asked.id)).find(({ content }) => words.test(content));
    await vi.waitFor(() => expect(notice()).toBeDefined(), patience);
    const found = notice();
    if (found === undefined) throw new Error("the notice is gone again");
    return { id: found.id, at: Date.now(), words: found.content };
  };
  /** Too impatient to wait in place: the turn is put back. */
  const impatient = { TURN_DEADLINE_SECONDS: "21" };
  const seconds = (words: string) => Number(/about (\d+) s/.exec(words)?.[1]);
  const moment = (words: string) => Number(/<t:(\d+):T>/.exec(words)?.[1]) * 1_000;

  it("within seconds", async () => {
    const { ask, answered, discord, general } = await open({});
    quotaIsGone(8);
    const asked = ask("how long?");
    const notice = await told(asked, /I can answer in about \d+ s/);
    const answer = await answered(asked, "Re: how long?");
    const waitedMs = Date.now() - notice.at;
    expect(answer.id).toBe(notice.id);
    expect(Math.abs(waitedMs - seconds(notice.words) * 1_000)).toBeLessThan(4_000);
    expect(answersIn(discord, general)).toHaveLength(1);
  });

  it("within seconds, by another voice: the reception's words give way", async () => {
    const { ask, discord, general, world, repliesTo } = await open({ DISCORD_TOKEN_TEO: teoToken });
    quotaIsGone(6);
    const asked = ask("which version?", { model: { reply: { agent: "teo", reply: "The newest." } } });
    await told(asked, /I can answer in about \d+ s/);
    await vi.waitFor(() => expect(repliesTo(asked).map(({ content }) => content)).toEqual(["The newest."]), patience);
    const [answer] = repliesTo(asked);
    expect(answer?.authorId).not.toBe(world.reception.id);
    expect(answersIn(discord, general)).toHaveLength(1);
  });

  it("later, at the time that was named", async () => {
    const { ask, answered, discord, general } = await open(impatient);
    quotaIsGone(8);
    const asked = ask("how long?");
    const notice = await told(asked, /at about <t:\d+:T>/);
    const answer = await answered(asked, "Re: how long?");
    expect(answer.id).toBe(notice.id);
    expect(Math.abs(Date.now() - moment(notice.words))).toBeLessThan(4_000);
    expect(answersIn(discord, general)).toHaveLength(1);
    expect(answer.pinged.users).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["within seconds", {}, /I can answer in about \d+ s/],
    ["later", impatient, /at about <t:\d+:T>/],
  ])("%s, though its process is killed meanwhile", async (_, env, words) => {
    const { ask, answered, start, kill, discord, general } = await open(env, { nonceKeepMs: 1 });
    quotaIsGone(8);
    const asked = ask("how long?");
    const notice = await told(asked, words);
    await kill();
    await start(env);
    expect((await answered(asked, "Re: how long?")).id).toBe(notice.id);
    expect(answersIn(discord, general)).toHaveLength(1);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ["by the same voice", {}],
    ["by another one", { DISCORD_TOKEN_TEO: teoToken }],
  ])(
    "%s, though its process is killed before it noted what it had said, and its nonce has expired",
    async (_, voice) => {
      const env = { ...impatient, ...voice };
      const { ask, start, kill, discord, general, repliesTo } = await open(env, { nonceKeepMs: 1 });
      quotaIsGone(12);
      discord.faults.add({ on: "rest", method: "POST", path: "/messages$", fault: "act-then-hang" });
      const asked = ask("how long?", { model: { reply: { agent: "teo", reply: "Not long." } } });
      await told(asked, /at about <t:\d+:T>/);
      await kill();
      await start(env);
      await vi.waitFor(
        () => expect(repliesTo(asked).map(({ content }) => content)).toEqual([expect.stringContaining("Not long.")]),
        patience,
      );
      expect(answersIn(discord, general)).toHaveLength(1);
    },
  );
});
