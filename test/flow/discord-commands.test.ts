import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { answersIn, patience } from "../failure/discord-bot.ts";
import { linkTo, openCounter } from "./discord-counter.ts";

type Counter = Awaited<ReturnType<typeof openCounter>>;

describe("slash commands and buttons", () => {
  let at: Counter;
  beforeAll(async () => {
    at = await openCounter();
  });
  afterAll(() => at.close());

  it.each([
    ["ann", "These agents can answer here:", "answers when nobody else is chosen"],
    ["ben", "ここで回答できるエージェントです。", "ほかに担当がいないときに回答します"],
  ] as const)("/agents lists who is there, in the language of %s, for their eyes only", async (who, header, note) => {
    const record = await at.use({ user: at.house[who], command: "agents" });
    expect(record).toMatchObject({ callbackType: 5, ephemeral: true });
    expect(record.reply?.split("\n")[0]).toBe(header);
    expect(record.reply).toContain(`**Mira** _(${note})_ — `);
    for (const name of ["Teo", "Juno"]) expect(record.reply).toContain(`**${name}** — `);
  });

  it.each([
    ["ann", /^Agents: Mira, Teo, Juno\. Model: ready\. Messages waiting: 0\.$/],
    ["ben", /^エージェント：Mira, Teo, Juno、モデル：利用できます、待機中のメッセージ：0件$/],
  ] as const)("/status tells %s how the bot is", async (who, words) => {
    expect((await at.use({ user: at.house[who], command: "status" })).reply).toMatch(words);
  });

  describe("/ask", () => {
    it("is answered where everybody sees it, by the agent that was chosen", async () => {
      at.gemini.script({ reply: { agent: "teo", reply: "Because of the cache." }, on: "generate", times: 1 });
      const options = { text: "why is it slow?", agent: "Teo" };
      const record = await at.use({ user: at.house.ann, command: "ask", options });
      expect(record).toMatchObject({ callbackType: 5, ephemeral: false });
      await vi.waitFor(() => expect(at.said(record)[0]?.components).toHaveLength(1), patience);
      expect(at.said(record)[0]?.content).toBe("**Teo:** Because of the cache.");
      expect(at.world.messages(at.house.general).filter(({ byBot }) => byBot)).toHaveLength(1);
    });

    it("without an agent is answered by whom the supervisor chooses, in direct messages too", async () => {
      at.gemini.script({ reply: { agent: "juno", reply: "Blue." }, when: "which colour", on: "generate", times: 1 });
      const channel = at.world.openDm(at.house.ben, at.world.reception);
      const options = { text: "which colour?" };
      const record = at.begin({ user: at.house.ben, channel, command: "ask", options });
      await vi.waitFor(
        () => expect(at.said(record).map(({ content }) => content)).toEqual(["**Juno:** Blue."]),
        patience,
      );
    });

    it("is refused for the eyes of whoever asks alone when it cannot be taken", async () => {
      const unknown = { text: "hello", agent: "Bob" };
      const long = { text: "x".repeat(8_001) };
      const blank = { text: "  " };
      const before = at.gemini.requests.length;
      for (const [who, options, refusal] of [
        ["ann", unknown, "There is no agent called “Bob” here. `/agents` shows who is here."],
        ["ben", unknown, "「Bob」というエージェントはいません。`/agents` で確認してください。"],
        ["ann", long, "That message is too long for me. Please keep it under 8,000 characters."],
        ["ben", long, "メッセージが長すぎます。8,000文字以内でお願いします。"],
        ["ann", blank, "I heard it and decided not to answer: there is no text in it."],
      ] as const) {
        const record = at.begin({ user: at.house[who], command: "ask", options });
        const shown = () => at.said(record).map(({ content, flags }) => ({ content, isPrivate: (flags & 64) !== 0 }));
        await vi.waitFor(() => expect(shown()).toEqual([{ content: refusal, isPrivate: true }]), patience);
      }
      expect(at.gemini.requests).toHaveLength(before);
    });

    it("suggests agents while a name is typed", async () => {
      const suggested = async (agent: string) => {
        const record = at.begin({
          user: at.house.ann,
          command: "ask",
          options: { text: "x", agent },
          focused: "agent",
        });
        await vi.waitFor(() => expect(record.callbackType).toBe(8), patience);
        const { choices } = record.callbackData as { choices: { name: string; value: string }[] };
        return choices.map(({ value }) => value);
      };
      expect(await suggested("")).toEqual(["mira", "teo", "juno"]);
      expect(await suggested("JU")).toEqual(["juno"]);
      expect(await suggested("bob")).toEqual([]);
    });
  });

  describe("/why", () => {
    it("tells of the last answer here, of one by its link or ID, from the menu, and by the button under it", async () => {
      const { ann, ben, guild } = at.house;
      const channel = at.world.addChannel(guild, { name: "answers" });
      const { message, answer } = await at.talk(`${at.me} Teo, how are you?`, { channel });
      const english =
        /^\*\*Teo\*\* answered, because Teo was called by name\.\nModel gemini[\w.-]+, [\d,]+ tokens in and \d+ out, [\d.]+ s\.\nMemories it was made from: \d+\./;
      const japanese =
        /^\*\*Teo\*\* が回答しました。理由：.+\nモデル gemini[\w.-]+、入力[\d,]+トークン、出力\d+トークン、[\d.]+秒\nもとになった記憶：\d+件/;
      const why = (over: object) => at.ask({ user: ann, channel, command: "why", ...over });
      expect(await why({})).toMatch(english);
      for (const named of [linkTo(guild, answer), `<${linkTo(guild, message)}>`, answer.id, message.id])
        expect(await why({ channel: at.house.general, options: { message: named } })).toMatch(english);
      expect(await why({ user: ben })).toMatch(japanese);
      expect(await at.ask({ user: ben, channel, command: "Why this answer?", target: answer })).toMatch(japanese);
      const pressed = await at.use({ user: ann, channel, button: `why:${message.id}`, message: answer });
      expect(pressed.callbackType).toBe(6);
      expect(at.said(pressed)).toMatchObject([{ content: expect.stringMatching(english), flags: 64 }]);
    });

    it.each([
      [
        "not a link",
        "That is neither the link nor the ID of a message.",
        "メッセージのリンクまたはIDを入力してください。",
      ],
      [
        "9999999999999999999",
        "That is neither the link nor the ID of a message.",
        "メッセージのリンクまたはIDを入力してください。",
      ],
      [
        "1000000000000000",
        "I have no record of how this answer came about.",
        "この回答がどのように作られたかの記録がありません。",
      ],
    ])("does not take %s for the last answer", async (message, english, japanese) => {
      const why = (who: "ann" | "ben") => at.ask({ user: at.house[who], command: "why", options: { message } });
      expect(await why("ann")).toBe(english);
      expect(await why("ben")).toBe(japanese);
    });

    it("shows a receipt only to those who may read the answer, and of its memories only what they may read", async () => {
      const { ann, ben, mod, guild, moderators } = at.house;
      const overwrites = [
        { of: guild.id, deny: ["viewChannel"] },
        { of: moderators, allow: ["viewChannel"] },
        { of: at.world.reception, allow: ["viewChannel"] },
      ] as const;
      const attic = at.world.addChannel(guild, { name: "attic" });
      await at.talk(`${at.me} the lantern hangs in the attic of the lighthouse`, { channel: attic });
      const secret = at.world.addChannel(guild, { name: "secret", overwrites });
      const { message, answer } = await at.talk(`${at.me} where does the lantern of the lighthouse hang?`, {
        channel: secret,
        author: mod,
      });
      const options = { message: linkTo(guild, answer) };
      const command = { command: "why", options };
      expect(await at.ask({ user: ann, ...command })).toBe(
        "You are not allowed to read the messages this answer was made from.",
      );
      expect(await at.ask({ user: ben, ...command })).toBe("この回答のもとになったメッセージを読む権限がありません。");
      const lantern = /\n- <t:\d+:d> #attic \*\*ann:\*\* the lantern hangs in the attic of the lighthouse/;
      expect(await at.ask({ user: mod, ...command })).toMatch(lantern);
      at.world.setChannel(attic, { overwrites: [{ of: guild.id, deny: ["viewChannel"] }] });
      const press = { user: mod, channel: secret, button: `why:${message.id}`, message: answer };
      await vi.waitFor(async () => expect(await at.ask(press)).not.toMatch(lantern), patience);
      expect(await at.ask(press)).toMatch(/\nMemories from places that you may not read: [12]\.$/);
      expect(await at.ask({ ...press, user: at.house.dora })).toMatch(/\n閲覧権限のない場所の記憶：[12]件$/);
    });
  });

  it("/memory shows people what is remembered of them here, and finds it by words", async () => {
    const { ann, ben, guild } = at.house;
    const channel = at.world.addChannel(guild, { name: "garden" });
    const memory = (who: typeof ann, what: string, options = {}) =>
      at.ask({ user: who, channel, command: `memory ${what}`, options });
    expect(await memory(ben, "show")).toBe("ここであなたについて記憶していることはありません。");
    await at.talk(`${at.me} my roses\nare   red`, { channel });
    await at.talk(`${at.me} ${"my tulips are yellow ".repeat(10)}`, { channel });
    await at.talk(`${at.me} 私の庭には桜があります`, { channel, author: ben });
    const shown = await memory(ann, "show");
    expect(shown).toMatch(/^What I remember about you here:\n/);
    expect(shown).toMatch(/^- <t:\d+:d> #garden \*\*ann:\*\* my roses are red$/m);
    expect(shown).toMatch(/^- <t:\d+:d> #garden \*\*ann:\*\* my tulips .+ …$/m);
    expect(shown).not.toContain("桜");
    const found = await memory(ann, "search", { words: "roses" });
    expect(found.split("\n")[1]).toContain("my roses are red");
    expect(await memory(ann, "search", { words: "submarine" })).toBe(
      "I remember nothing about you that fits these words.",
    );
    expect(await memory(ben, "search", { words: "submarine" })).toBe(
      "その言葉に合う、あなたについての記憶はありません。",
    );
    expect(await memory(ben, "show")).toMatch(/^ここであなたについて記憶している内容です。\n- .+桜/);
    const dm = at.world.openDm(ann, at.world.reception);
    expect(await at.ask({ user: ann, channel: dm, command: "memory show" })).toBe("I remember nothing about you here.");
  });

  it("👍 and 👎 are kept with the answer, one row for each person, whoever changes their mind", async () => {
    const { ann, ben, general } = at.house;
    const { message, answer } = await at.talk(`${at.me} is this good?`);
    const vote = (user: typeof ann, deed: string) => at.ask({ user, button: `${deed}:${message.id}`, message: answer });
    expect(await vote(ann, "up")).toBe("Thank you, I have noted it.");
    expect(await vote(ben, "down")).toBe("ご意見を記録しました。ありがとうございます。");
    await vote(ann, "down");
    await at.stop();
    const rows = await at.look((database) =>
      database.query("select user_id, value from feedback where message_id = $1 order by user_id", [message.id]),
    );
    expect(rows).toEqual([
      { user_id: ann.id, value: -1 },
      { user_id: ben.id, value: -1 },
    ]);
    await at.start();
    expect(at.world.messages(general).some(({ content }) => /noted|記録/.test(content))).toBe(false);
  });

  it("every first response was given within three seconds", () => {
    const records = at.world.interactions();
    expect(records.length).toBeGreaterThan(30);
    expect(Math.max(...records.map(({ respondedAfterMs }) => respondedAfterMs ?? Infinity))).toBeLessThan(3_000);
    expect(records.flatMap(({ refused }) => refused)).toEqual([]);
  });
});

describe("commands over the lives of a process", () => {
  let at: Counter;
  beforeAll(async () => {
    at = await openCounter();
  });
  afterAll(() => at.close());

  const registrations = () =>
    Object.entries(at.discord.report().restRequests).find(([route]) => /^PUT .*commands$/.test(route))?.[1] ?? 0;

  it("are registered once, not again at a restart, and again when they are others than those registered last", async () => {
    expect(registrations()).toBe(1);
    await at.stop();
    await at.start();
    await at.ask({ user: at.house.ann, command: "agents" });
    expect(registrations()).toBe(1);
    await at.stop();
    await at.look((database) => database.query("update registered_commands set hash = 'of an older version'"));
    await at.start();
    await vi.waitFor(() => expect(registrations()).toBe(2), patience);
  });

  it("are shown to moderators where they are theirs, and not in direct messages where they need a server", () => {
    const commands = at.world.commands(at.world.reception) as unknown as Record<string, unknown>[];
    const bot = commands.find(({ name }) => name === "bot");
    expect(bot).toMatchObject({ default_member_permissions: "32", contexts: [0] });
    const others = commands.filter(({ name }) => name !== "bot");
    for (const one of others) expect(one["default_member_permissions"] ?? null).toBeNull();
    for (const one of others) expect(one["contexts"]).toEqual([0, 1]);
  });

  it.each(["hang", "act-then-hang"] as const)(
    "are answered after a SIGKILL between the first response and the answer (%s), once",
    async (fault) => {
      at.discord.faults.add({ on: "rest", fault, method: "PATCH", path: "/webhooks/" });
      const record = at.begin({ user: at.house.ann, command: "agents" });
      await vi.waitFor(() => expect(at.discord.faults.pending()).toEqual([]), patience);
      expect(record.callbackType).toBe(5);
      await at.kill();
      await at.start();
      await vi.waitFor(() => expect(record.refused).toMatchObject([{ code: 40_060 }]), patience);
      await vi.waitFor(() => expect(record.reply).toContain("These agents can answer here:"), patience);
      expect(at.said(record)).toHaveLength(1);
    },
  );

  it("that ask something are answered after a SIGKILL while the model thinks, once", async () => {
    at.gemini.script({ fault: "hang", when: "what is slow?", on: "generate", times: 1 });
    const options = { text: "what is slow?", agent: "mira" };
    const record = at.begin({ user: at.house.ann, command: "ask", options });
    const asked = () => at.gemini.requests.filter(({ body }) => JSON.stringify(body).includes("what is slow?"));
    await vi.waitFor(() => expect(asked().length).toBeGreaterThan(0), patience);
    await at.kill();
    at.gemini.script({ reply: { agent: "mira", reply: "I was." }, when: "what is slow?", on: "generate" });
    await at.start();
    await vi.waitFor(() => expect(record.reply).toBe("**Mira:** I was."), patience);
    await vi.waitFor(() => expect(at.said(record)[0]?.components).toHaveLength(1), patience);
    expect(at.said(record)).toHaveLength(1);
    expect(answersIn(at.discord, at.house.general).filter(({ content }) => content.includes("I was."))).toHaveLength(1);
  });

  it("that fail say so, with a reference that stands in the log", async () => {
    await at.stop();
    await at.look((database) => database.query("alter table memories rename to lost"));
    await at.start();
    const shown = async (who: "ann" | "ben") => at.ask({ user: at.house[who], command: "memory show" });
    const [, reference = "-"] =
      /^I am sorry, something went wrong inside me\. Please try again later \(reference (\w+)\)\.$/.exec(
        await shown("ann"),
      ) ?? [];
    expect(await shown("ben")).toMatch(/^申し訳ありません。内部で問題が発生しました。.+（参照番号：\w+）。$/);
    expect(at.log()).toContain(`"reference":"${reference}"`);
  });
});
