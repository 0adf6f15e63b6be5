import { describe, expect, it, vi } from "vitest";
import { answersIn, patience } from "./discord-bot.ts";
import { inHouse, type House } from "./discord-house.ts";
import type { Watched } from "./process.ts";

const teoToken = "sim-teo-token-0000000000";

/** A bot that Teo can speak with. */
function addTeo({ world, guild }: House) {
  const teo = world.addBot({ name: "teo", token: teoToken });
  world.addMember(guild, teo);
  return teo;
}

describe.concurrent("an agent with a bot of its own", () => {
  const askTeo = (house: House, text: string, channel: { readonly id: string } = house.general) =>
    house.ask(text, { channel, model: { reply: { agent: "teo", reply: `Re: ${text}` } } });
  /** What /status says of a voice that cannot be used; a report holds for a second. */
  const saysOfVoices = (bot: Watched, words: object | undefined) =>
    vi.waitFor(async () => {
      const { impaired } = (await (await bot.get("/status")).json()) as { impaired: Record<string, unknown> };
      expect(impaired["discord"]).toEqual(words);
    }, patience);
  const mute = expect.objectContaining({ status: "degraded", details: expect.objectContaining({ refused: "teo" }) });

  it("speaks as that bot, without its name before it; the others speak through the reception, which names them", async () =>
    inHouse({}, async (house) => {
      const { world, start, ask, answered } = house;
      const teo = addTeo(house);
      const bot = await start({ DISCORD_TOKEN_TEO: teoToken });
      const own = await answered(askTeo(house, "which version?"), "which version?");
      expect([own.authorId, own.content]).toEqual([teo.id, "Re: which version?"]);
      const other = await answered(ask("how are you?"), "how are you?");
      expect([other.authorId, other.content]).toEqual([world.reception.id, "**Mira:** Re: how are you?"]);
      await saysOfVoices(bot, undefined);
    }));

  it("is called by its mention, and neither bot answers the other", async () =>
    inHouse({}, async (house) => {
      const { discord, world, general, ann, gemini, start, answered, ask } = house;
      const teo = addTeo(house);
      await start({ DISCORD_TOKEN_TEO: teoToken });
      const reply = `I am here, <@${world.reception.id}> and <@${teo.id}>!`;
      gemini.script({ when: "and who are you?</message>", reply: { agent: "teo", reply } });
      const asked = world.say({ channel: general, author: ann, text: `<@${teo.id}> and who are you?` });
      const answer = await answered(asked, "I am here");
      expect(answer.authorId).toBe(teo.id);
      await answered(ask("is it quiet?"), "is it quiet?");
      expect(answersIn(discord, general)).toHaveLength(2);
    }));

  it("is spoken for by the reception when its token is bad, and /status says so", async () =>
    inHouse({}, async (house) => {
      const { discord, world, start, answered } = house;
      addTeo(house);
      const bot = await start({ DISCORD_TOKEN_TEO: "nobody-knows-this-token" });
      const answer = await answered(askTeo(house, "which version?"), "which version?");
      expect([answer.authorId, answer.content]).toEqual([world.reception.id, "**Teo:** Re: which version?"]);
      await saysOfVoices(bot, mute);
      expect((await bot.get("/health/ready")).status).toBe(200);
      expect(discord.report().restStatuses["401"]).toBe(1);
    }));

  it("is spoken for by the reception once its token is revoked, from the very next answer", async () =>
    inHouse({}, async (house) => {
      const { discord, world, start, answered } = house;
      const teo = addTeo(house);
      const bot = await start({ DISCORD_TOKEN_TEO: teoToken });
      expect((await answered(askTeo(house, "one?"), "one?")).authorId).toBe(teo.id);
      discord.faults.revokeToken(teo);
      for (const text of ["two?", "three?"])
        expect((await answered(askTeo(house, text), text)).authorId).toBe(world.reception.id);
      await saysOfVoices(bot, mute);
      expect(discord.report().restStatuses["401"]).toBe(1);
      expect(answersIn(discord, house.general)).toHaveLength(3);
    }));

  it("is waited for while Discord does not answer at the start, and so is the reception", async () =>
    inHouse({}, async (house) => {
      const { discord, start, answered, logged } = house;
      const teo = addTeo(house);
      // Each try asks four times.
      discord.faults.add({ on: "rest", method: "GET", path: "/users/@me$", fault: "status", times: 10 });
      await start({ DISCORD_TOKEN_TEO: teoToken });
      await logged("discord cannot start yet");
      expect((await answered(askTeo(house, "which version?"), "which version?")).authorId).toBe(teo.id);
    }));

  it("leaves direct conversations, where no other bot can be, to the reception, and is not refused there first", async () =>
    inHouse({}, async (house) => {
      const { discord, world, ann, start, answered } = house;
      addTeo(house);
      await start({ DISCORD_TOKEN_TEO: teoToken });
      const direct = world.openDm(ann, world.reception);
      const answer = await answered(askTeo(house, "which version?", direct), "which version?");
      expect([answer.authorId, answer.content]).toEqual([world.reception.id, "**Teo:** Re: which version?"]);
      expect(discord.report().restStatuses["403"]).toBeUndefined();
    }));

  it.each(["viewChannel", "sendMessages"] as const)(
    "is spoken for by the reception in a channel where it lacks %s",
    async (missing) =>
      inHouse({}, async (house) => {
        const { discord, world, guild, start, answered } = house;
        const teo = addTeo(house);
        const closed = world.addChannel(guild, { name: "closed", overwrites: [{ of: teo.id, deny: [missing] }] });
        const bot = await start({ DISCORD_TOKEN_TEO: teoToken });
        const answer = await answered(askTeo(house, "which version?", closed), "which version?");
        expect([answer.authorId, answer.content]).toEqual([world.reception.id, "**Teo:** Re: which version?"]);
        await answered(askTeo(house, "still closed?", closed), "still closed?");
        expect(discord.report().restStatuses["403"]).toBe(1);
        expect((await answered(askTeo(house, "and here?"), "and here?")).authorId).toBe(teo.id);
        expect(discord.report().doubledPosts).toEqual([]);
        await saysOfVoices(bot, undefined);
      }),
  );
});

describe.concurrent("whoever has to wait is told how long, and the promise becomes the answer, in one message", () => {
  /** The model's quota is used up for so long. */
  const quotaIsGone = (house: House, seconds: number) =>
    house.gemini.script({ on: "generate", fault: "429-minute", retryDelaySeconds: seconds });
  const told = async (house: House, asked: { readonly id: string }, words: RegExp) => {
    const notice = () => house.repliesTo(house.world.message(asked.id)).find(({ content }) => words.test(content));
    await vi.waitFor(() => expect(notice()).toBeDefined(), patience);
    const found = notice();
    if (found === undefined) throw new Error("the notice is gone again");
    return { id: found.id, at: Date.now(), words: found.content };
  };
  /** Too impatient to wait in place: the turn is put back. */
  const impatient = { TURN_DEADLINE_SECONDS: "21" };
  /** A busy machine is later than it said, never much earlier. */
  const expectAbout = (lateMs: number) => {
    expect(lateMs).toBeGreaterThan(-4_000);
    expect(lateMs).toBeLessThan(15_000);
  };
  const seconds = (words: string) => Number(/about (\d+) s/.exec(words)?.[1]);
  const moment = (words: string) => Number(/<t:(\d+):T>/.exec(words)?.[1]) * 1_000;

  it("within seconds", async () =>
    inHouse({}, async (house) => {
      const { ask, answered, discord, general } = house;
      addTeo(house);
      await house.start();
      quotaIsGone(house, 8);
      const asked = ask("how long?");
      const notice = await told(house, asked, /I can answer in about \d+ s/);
      const answer = await answered(asked, "Re: how long?");
      const waitedMs = Date.now() - notice.at;
      expect(answer.id).toBe(notice.id);
      expectAbout(waitedMs - seconds(notice.words) * 1_000);
      expect(answersIn(discord, general)).toHaveLength(1);
    }));

  it("within seconds, by another voice: the reception's words give way", async () =>
    inHouse({}, async (house) => {
      const { ask, discord, general, world, repliesTo } = house;
      addTeo(house);
      await house.start({ DISCORD_TOKEN_TEO: teoToken });
      quotaIsGone(house, 6);
      const asked = ask("which version?", { model: { reply: { agent: "teo", reply: "The newest." } } });
      await told(house, asked, /I can answer in about \d+ s/);
      await vi.waitFor(() => expect(repliesTo(asked).map(({ content }) => content)).toEqual(["The newest."]), patience);
      const [answer] = repliesTo(asked);
      expect(answer?.authorId).not.toBe(world.reception.id);
      expect(answersIn(discord, general)).toHaveLength(1);
    }));

  it("later, at the time that was named", async () =>
    inHouse({}, async (house) => {
      const { ask, answered, discord, general } = house;
      addTeo(house);
      await house.start(impatient);
      quotaIsGone(house, 8);
      const asked = ask("how long?");
      const notice = await told(house, asked, /at about <t:\d+:T>/);
      const answer = await answered(asked, "Re: how long?");
      expect(answer.id).toBe(notice.id);
      expectAbout(Date.now() - moment(notice.words));
      expect(answersIn(discord, general)).toHaveLength(1);
      expect(answer.pinged.users).toEqual([]);
    }));

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["within seconds", {}, /I can answer in about \d+ s/],
    ["later", impatient, /at about <t:\d+:T>/],
  ])("%s, though its process is killed meanwhile", async (_, env, words) =>
    inHouse({}, async (house) => {
      const { ask, answered, start, kill, discord, general } = house;
      addTeo(house);
      await house.start(env);
      quotaIsGone(house, 8);
      const asked = ask("how long?");
      const notice = await told(house, asked, words);
      await kill();
      await start(env);
      expect((await answered(asked, "Re: how long?")).id).toBe(notice.id);
      expect(answersIn(discord, general)).toHaveLength(1);
    }),
  );

  it.each<[string, Readonly<Record<string, string>>]>([
    ["later, by the same voice", {}],
    ["later, by another voice", { DISCORD_TOKEN_TEO: teoToken }],
  ])("%s, though its process is killed before it noted what it had said, and its nonce has expired", async (_, voice) =>
    inHouse({ nonceKeepMs: 1 }, async (house) => {
      const env = { ...impatient, ...voice };
      const { ask, start, kill, discord, general, repliesTo } = house;
      addTeo(house);
      await house.start(env);
      quotaIsGone(house, 12);
      discord.faults.add({ on: "rest", method: "POST", path: "/messages$", fault: "act-then-hang" });
      const asked = ask("how long?", { model: { reply: { agent: "teo", reply: "Not long." } } });
      await told(house, asked, /at about <t:\d+:T>/);
      await kill();
      await start(env);
      await vi.waitFor(
        () => expect(repliesTo(asked).map(({ content }) => content)).toEqual([expect.stringContaining("Not long.")]),
        patience,
      );
      expect(answersIn(discord, general)).toHaveLength(1);
    }),
  );
});
