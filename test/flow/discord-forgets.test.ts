import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { patience } from "../failure/discord-bot.ts";
import { anyWord, figuresIn, plantAt, question, receipt, word, wordsIn } from "./discord-canaries.ts";
import { linkTo, openCounter } from "./discord-counter.ts";

describe("what is forgotten of some messages", () => {
  let at: Awaited<ReturnType<typeof openCounter>>;
  let bot: ReturnType<typeof plantAt>;
  beforeAll(async () => {
    at = await openCounter();
    bot = plantAt(at, true);
  });
  afterAll(() => at.close());

  it("/forget this removes the last message, one that is linked, or the one that an answer answers", async () => {
    const { guild } = at.house;
    const channel = at.world.addChannel(guild, { name: "this" });
    const forgetThis = async (shown: { answer: Parameters<typeof linkTo>[1] }, options = {}) => {
      const asked = await bot.shownFor({ user: at.house.ann, channel, command: "forget this", options });
      expect(asked.content.split("\n")[0]).toBe(linkTo(guild, shown.answer));
      expect(figuresIn(asked.content, question).slice(0, 2)).toEqual([2, 1]);
      expect(figuresIn(await at.press(at.house.ann, asked.message, "forget"), receipt).slice(0, 2)).toEqual([2, 1]);
    };
    const one = await bot.plant("a", { channel });
    const two = await bot.plant("b", { channel });
    const three = await bot.plant("c", { channel });
    await forgetThis(three);
    await forgetThis(two, { message: linkTo(guild, two.answer) });
    await forgetThis(one, { message: linkTo(guild, one.message) });
    expect((await bot.inDatabase()).words).toEqual([]);
    expect(await at.ask({ user: at.house.ann, channel, command: "forget this" })).toBe(
      "There is nothing like that to forget.",
    );
  });

  it("/forget this of others' words, and /forget channel, are for who may delete messages there", async () => {
    const { ben, mod, dora, guild, general } = at.house;
    const channel = at.world.addChannel(guild, { name: "moderated" });
    const thread = at.world.addThread(channel, {
      name: "closed",
      owner: ben,
      private: true,
      members: [at.world.reception],
    });
    const { message } = await bot.plant("d", { channel });
    await bot.plant("e", { channel: thread, author: ben });
    await bot.plant("f", { channel, author: ben });
    // What was answered to Ben had Ann's words before its eyes, and goes with them.
    await at.talk(`${at.me} the swallow flies in general`, { channel: general, author: ben });
    const options = { message: linkTo(guild, message) };
    const words = (user: typeof ben, command: string, more = {}) => bot.shownFor({ user, channel, command, ...more });
    expect((await words(ben, "forget this", { options })).content).toBe("これを削除する権限がありません。");
    expect((await words(at.house.ann, "forget channel")).content).toBe("You are not allowed to have this forgotten.");
    const dm = at.world.openDm(mod, at.world.reception);
    const elsewhere = { channel: dm, options: { channel: channel.id } };
    expect((await words(mod, "forget channel", elsewhere)).content).toBe("You are not allowed to have this forgotten.");

    const asked = await words(dora, "forget this", { options });
    expect(asked.content).toMatch(
      /^https:.+\n本当に削除しますか？元に戻すことはできません。対象：記憶\d+件、メッセージ\d+件、ベクトル\d+件$/,
    );
    expect(await at.press(dora, asked.message, "forget")).toMatch(
      /^削除しました。内訳：記憶4件、メッセージ3件、ベクトル\d+件$/,
    );
    expect((await bot.inDatabase()).words).toEqual([word("e"), word("f")]);

    const all = await words(mod, "forget channel", { channel: general, options: { channel: channel.id } });
    // Who lost the right meanwhile may no longer press.
    at.world.setMember(guild, mod, { roles: [] });
    expect(await at.press(mod, all.message, "forget")).toBe("You are not allowed to have this forgotten.");
    at.world.setMember(guild, mod, { roles: [at.house.moderators] });
    const again = await words(mod, "forget channel", { channel: general, options: { channel: channel.id } });
    const [memories, turns] = figuresIn(again.content, question);
    expect(figuresIn(await at.press(mod, again.message, "forget"), receipt).slice(0, 2)).toEqual([memories, turns]);
    expect((await bot.inDatabase()).words).toEqual([]);
    expect(await at.ask({ user: ben, command: "memory show" })).toContain("the swallow flies in general");
  });

  it("a message that is deleted on Discord is forgotten with all that was made from it", async () => {
    const { ben, guild } = at.house;
    const channel = at.world.addChannel(guild, { name: "deleted" });
    const { message } = await bot.plant("g", { channel }, `the cellar key is ${word("g")}`);
    bot.repeat("and what is that?", word("g"));
    await at.talk(`${at.me} and what is that?`, { channel, author: ben, replyTo: message });
    const remark = at.world.say({ channel, author: at.house.ann, text: `the attic key is ${word("h")}` });
    bot.repeat("where are the keys?", `${word("g")} and ${word("h")}`);
    await at.talk(`${at.me} where are the keys?`, { channel, author: ben });
    await at.settled();
    expect((await bot.inDatabase()).words).toEqual([word("g"), word("h")]);
    at.world.deleteMany(channel, [message, remark]);
    const asking = at.gemini.requests.length;
    await at.talk(`${at.me} where are the keys of the cellar and the attic?`, { channel, author: ben });
    expect((await bot.inDatabase()).words).toEqual([]);
    await at.talk(`${at.me} and once more, the keys?`, { channel, author: ben });
    expect(wordsIn(bot.promptsSince(asking))).toEqual([]);
  });

  it("a message that is deleted on Discord is forgotten with what was made from it where only a reply had it in sight", async () => {
    const { ann, ben, guild } = at.house;
    const channel = at.world.addChannel(guild, { name: "quoted" });
    const old = at.world.say({ channel, author: ann, text: `the shed key is ${word("o")}` });
    await at.settled();
    await at.stop();
    await at.look(async (database) => {
      await database.query("update turns set received_at = received_at - interval '2 days' where message_id = $1", [
        old.id,
      ]);
      await database.query("delete from memories where source_message_id = $1", [old.id]);
    });
    await at.start();
    const stranger = at.world.addBot({ name: "stranger", token: "sim-stranger" });
    at.world.addMember(guild, stranger);
    const foreign = at.world.say({ channel, author: stranger, text: `the gate code is ${word("p")}` });
    bot.repeat("what does the old one say?", word("o"));
    await at.talk(`${at.me} what does the old one say?`, { channel, author: ben, replyTo: old });
    bot.repeat("what does the stranger say?", word("p"));
    await at.talk(`${at.me} what does the stranger say?`, { channel, author: ben, replyTo: foreign });
    expect((await bot.inDatabase()).words).toEqual([word("o"), word("p")]);
    at.world.deleteMany(channel, [old, foreign]);
    await at.talk(`${at.me} and now?`, { channel, author: ben });
    expect((await bot.inDatabase()).words).toEqual([]);
  });

  it("words that are edited away are forgotten with all that was made from them, and the new ones are found", async () => {
    const { ben, guild } = at.house;
    const channel = at.world.addChannel(guild, { name: "edited" });
    const { message } = await bot.plant("i", { channel }, `the well is called ${word("i")}`);
    const remark = at.world.say({ channel, author: at.house.ann, text: `the barn is called ${word("j")}` });
    bot.repeat("what are they called?", `${word("i")} and ${word("j")}`);
    await at.talk(`${at.me} what are they called?`, { channel, author: ben, replyTo: remark });
    await at.settled();
    at.world.edit(remark, "the barn is called Heron");
    at.world.edit(message, `${at.me} the well is called Stork`);
    await vi.waitFor(
      () => expect(bot.promptsSince(0).some((text) => text.includes("called Stork</message>"))).toBe(true),
      patience,
    );
    await at.settled();
    const asking = at.gemini.requests.length;
    await at.talk(`${at.me} what are the well and the barn called?`, { channel, author: ben });
    const prompts = bot.promptsSince(asking);
    expect(wordsIn(prompts)).toEqual([]);
    expect(prompts.some((text) => text.includes("Heron") && text.includes("Stork"))).toBe(true);
    expect((await bot.inDatabase()).words).toEqual([]);
  });

  it("who has opted out is answered, and nothing of it is kept, until they opt in again", async () => {
    const { ben, general } = at.house;
    const privacy = (what: string, user = at.house.ann) => at.ask({ user, command: `privacy ${what}` });
    expect(await privacy("show")).toMatch(
      /kept until somebody has them forgotten\..+\n\nAt the moment I may remember what you write\.$/s,
    );
    expect(await privacy("show", ben)).toMatch(/\n\n現在、あなたの発言を記憶する設定です。$/);
    expect(await privacy("opt-out")).toMatch(/^From now on I remember nothing that you write\./);
    expect(await privacy("show")).toMatch(/\n\nYou have opted out: I remember nothing that you write now\.$/);
    const { answer } = await bot.plant("k");
    expect(answer.content).toContain(word("k"));
    at.world.say({ channel: general, author: at.house.ann, text: `the pond is called ${word("l")}` });
    const remark = at.world.say({ channel: general, author: at.house.ann, text: `the hill is called ${word("m")}` });
    bot.repeat("is it high?", word("m"));
    await at.talk(`${at.me} is it high?`, { author: ben, replyTo: remark });
    await at.settled();
    const asking = at.gemini.requests.length;
    await at.talk(`${at.me} what are the pond and the hill called?`, { author: ben });
    expect(wordsIn(bot.promptsSince(asking))).toEqual([]);
    expect((await bot.inDatabase()).words).toEqual([]);
    expect(at.log().match(anyWord)).toBeNull();
    expect(await privacy("opt-in")).toMatch(/^I may remember again what you write\./);
    await bot.plant("n");
    expect(await at.ask({ user: at.house.ann, command: "memory show" })).toContain(word("n"));
  });
});
