import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { answersIn, patience } from "../failure/discord-bot.ts";
import { linkTo, openCounter } from "./discord-counter.ts";

describe("moderators", () => {
  let at: Awaited<ReturnType<typeof openCounter>>;
  beforeAll(async () => {
    at = await openCounter();
  });
  afterAll(() => at.close());

  type Who = "ann" | "ben" | "mod" | "dora";
  const bot = (who: Who, command: string, options = {}, channel: { readonly id: string } = at.house.general) =>
    at.ask({ user: at.house[who], channel, command: `bot ${command}`, options });
  /** What both moderators are told, the one in English and the other in Japanese. */
  const whySilent = async (
    message: { readonly id: string; readonly channelId: string } | null,
    channel = at.house.general,
  ) => {
    const options = message === null ? {} : { message: linkTo(at.house.guild, message) };
    return [await bot("mod", "why-silent", options, channel), await bot("dora", "why-silent", options, channel)];
  };
  const fresh = (name: string, over = {}) => at.world.addChannel(at.house.guild, { name, ...over });
  const say = (text: string, channel: { readonly id: string }) => at.world.say({ channel, author: at.house.ann, text });
  const answersTo = (message: { readonly id: string; readonly channelId: string }) =>
    answersIn(at.discord, { id: message.channelId }).filter(({ replyTo }) => replyTo === message.id);
  const silenced = ["A moderator has silenced me here.", "モデレーターがここでの発言を止めています。"];

  it("alone may do it, whoever Discord shows the commands to, and only on a server", async () => {
    for (const command of ["silence", "resume", "why-silent"]) {
      expect(await bot("ann", command)).toBe("You are not allowed to do that.");
      expect(await bot("ben", command)).toBe("この操作を行う権限がありません。");
      const dm = at.world.openDm(at.house.mod, at.world.reception);
      expect(await bot("mod", command, {}, dm)).toBe("That works only on a server.");
    }
    const { answer } = await at.talk(`${at.me} are you still there?`);
    expect(answer.content).not.toBe("");
  });

  it("silence a channel with its threads, /ask too, until they let it speak again", async () => {
    const channel = fresh("quiet");
    const thread = at.world.addThread(channel, { name: "inside", owner: at.house.ann });
    const here = `<#${channel.id}>`;
    expect(await bot("mod", "silence", { channel: channel.id })).toBe(
      `I am silent in ${here} now, until somebody uses \`/bot resume\`.`,
    );
    expect(await bot("dora", "silence", {}, channel)).toBe(
      `${here} での発言を止めました。\`/bot resume\` で再開できます。`,
    );
    const unheard = [say(`${at.me} hello?`, channel), say(`${at.me} hello?`, thread)];
    await at.settled();
    for (const message of unheard) expect(await whySilent(message, channel)).toEqual(silenced);
    expect(unheard.flatMap(answersTo)).toEqual([]);
    const asked = (user: Who) => at.ask({ user: at.house[user], channel, command: "ask", options: { text: "hello?" } });
    expect([await asked("ann"), await asked("ben")]).toEqual(silenced);
    expect(await bot("mod", "resume", { channel: thread.id })).toMatch(
      /^I am still silent in <#\d+>: the whole server, or the channel/,
    );
    expect(await bot("dora", "resume", {}, channel)).toBe(`${here} での発言を再開しました。`);
    expect(await bot("mod", "resume", {}, channel)).toBe(`I speak in ${here} again.`);
    await at.talk(`${at.me} and now?`, { channel });
    await at.talk(`${at.me} and here?`, { channel: thread });
  });

  it("silence it for some minutes", async () => {
    const channel = fresh("later");
    const before = Date.now();
    const english = await bot("mod", "silence", { minutes: 30 }, channel);
    const [, until = "0"] =
      new RegExp(`^I am silent in <#${channel.id}> until <t:(\\d+):f>\\.$`, "u").exec(english) ?? [];
    expect(Number(until) * 1_000).toBeGreaterThanOrEqual(before + 30 * 60_000);
    expect(Number(until) * 1_000).toBeLessThan(Date.now() + 31 * 60_000);
    expect(await bot("dora", "silence", { minutes: 30 }, channel)).toMatch(
      /^<#\d+> での発言を <t:\d+:f> まで止めました。$/,
    );
    const message = say(`${at.me} hello?`, channel);
    await at.settled();
    expect(await whySilent(message, channel)).toEqual(silenced);
    await at.stop();
    await at.look((database) => database.query("update silences set until = now() - interval '1 second'"));
    await at.start();
    await at.talk(`${at.me} hello again?`, { channel });
  });

  it("silence the whole server, and lift that without touching channels that are silent by themselves", async () => {
    const [one, other] = [fresh("one"), fresh("other")];
    await bot("mod", "silence", {}, other);
    expect(await bot("mod", "silence", { server: true })).toMatch(/^I am silent in every channel of this server now/);
    expect(await bot("dora", "silence", { server: true })).toMatch(
      /^このサーバーのすべてのチャンネル での発言を止めました。/,
    );
    const message = say(`${at.me} hello?`, one);
    await at.settled();
    expect(await whySilent(message)).toEqual(silenced);
    expect(await bot("mod", "resume", {}, other)).toMatch(/^I am still silent in/);
    expect(await bot("dora", "resume", {}, other)).toMatch(/ではまだ発言を止めています。/);
    await bot("mod", "silence", {}, other);
    expect(await bot("mod", "resume", { server: true })).toMatch(/^The silence of the whole server is lifted\./);
    expect(await bot("dora", "resume", { server: true })).toMatch(/^サーバー全体の停止を解除しました。/);
    await at.talk(`${at.me} hello again?`, { channel: one });
    const unheard = say(`${at.me} hello?`, other);
    await at.settled();
    expect(answersTo(unheard)).toEqual([]);
  });

  describe("learn why a message was not answered:", () => {
    it("there is an answer, and where; also to what was written on to a message", async () => {
      const channel = fresh("answered");
      const { message, answer } = await at.talk(`${at.me} hello?`, { channel });
      const link = linkTo(at.house.guild, answer);
      expect(await whySilent(message)).toEqual([`I answered it: ${link}`, `このメッセージには回答しました：${link}`]);
      expect((await whySilent(null, channel))[0]).toBe(`I answered it: ${link}`);
      const dm = at.world.openDm(at.house.ann, at.world.reception);
      const first = say("one thing", dm);
      const second = say("and another", dm);
      await vi.waitFor(() => expect(answersTo(first)[0]?.components.length).toBeGreaterThan(0), patience);
      await at.settled();
      const why = { user: at.house.ann, channel: dm, command: "why", options: { message: second.id } };
      expect(await at.ask(why)).toMatch(/^\*\*Mira\*\* answered, because/);
    });

    it("nobody had called the bot, nothing was ever said here, or it was never heard", async () => {
      const channel = fresh("talk");
      expect(await whySilent(null, channel)).toEqual([
        "Nothing has been said here that I know of.",
        "ここでの発言は見つかりません。",
      ]);
      const message = say("we talk among ourselves", channel);
      await at.settled();
      expect(await whySilent(message)).toEqual([
        "I heard it and decided not to answer: nobody called the bot, and this is a shared channel.",
        "メッセージは届いていますが、回答しないと判断しました。理由：共有チャンネルで、ボットは呼ばれていません。",
      ]);
      const never = { id: "1000000000000000000", channelId: channel.id };
      expect(await whySilent(never)).toEqual(["I never received this message.", "このメッセージは届いていません。"]);
    });

    it("the bot may not see the channel, or not write in it", async () => {
      const { guild } = at.house;
      const hidden = fresh("hidden", { overwrites: [{ of: at.world.reception, deny: ["viewChannel"] }] });
      const message = say(`${at.me} hello?`, hidden);
      expect(await whySilent(message)).toEqual([
        `I lack the permission “View Channel” in <#${hidden.id}>.`,
        `<#${hidden.id}> で「チャンネルを見る」の権限がありません。`,
      ]);
      const mute = fresh("mute", { overwrites: [{ of: guild.id, deny: ["sendMessages"] }] });
      const asked = say(`${at.me} hello?`, mute);
      await at.settled();
      expect(await whySilent(asked)).toEqual([
        `I lack the permission “Send Messages” in <#${mute.id}>.`,
        `<#${mute.id}> で「メッセージを送信」の権限がありません。`,
      ]);
    });

    it("a private channel tells its reasons only to those who may read it", async () => {
      const overwrites = [
        { of: at.house.moderators, deny: ["viewChannel"] },
        { of: at.house.ann, allow: ["viewChannel"] },
      ];
      const channel = fresh("owners", { overwrites });
      const message = say("nothing for moderators", channel);
      await at.settled();
      expect(await whySilent(message)).toEqual(["You are not allowed to do that.", "この操作を行う権限がありません。"]);
    });

    it("the model's quota is used up, or it does not answer", async () => {
      const waits = async (fault: "429-minute" | "503", english: string, japanese: string) => {
        const channel = fresh(`waits-${fault}`);
        at.gemini.script({ fault, on: "generate", times: null, retryDelaySeconds: 120 });
        const message = say(`${at.me} hello?`, channel);
        await vi.waitFor(async () => expect(await whySilent(message)).toEqual([english, japanese]), patience);
        at.gemini.clear();
        at.world.delete(message);
        await at.settled();
      };
      await waits(
        "503",
        "My model is not answering. I try again by myself.",
        "モデルが応答していません。自動的に再試行します。",
      );
      await waits(
        "429-minute",
        "I have used up what I may ask my model for now. What was kept will be answered later.",
        "モデルの利用上限に達しています。お預かりしたメッセージには後ほど回答します。",
      );
    });
  });
});
