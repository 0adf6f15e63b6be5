import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { answersIn, patience } from "../failure/discord-bot.ts";
import { describeOnBothDatabases } from "../servers/databases.ts";
import { anyWord, figuresIn, openHomeOf, plantAt, question, receipt, word, wordsIn } from "./discord-canaries.ts";
import { openCounter } from "./discord-counter.ts";

await describeOnBothDatabases("what people have forgotten", (kind) => {
  let at: Awaited<ReturnType<typeof openCounter>>;
  let bot: ReturnType<typeof plantAt>;
  let inRedis: () => Promise<readonly string[] | null>;
  beforeAll(async () => {
    const { home, inRedis: look } = await openHomeOf(kind);
    inRedis = look;
    at = await openCounter(async () => home);
    bot = plantAt(at, kind.alone);
  });
  afterAll(() => at.close());

  async function plantEverywhere() {
    const { general, guild, ben } = at.house;
    const { world } = at;
    await bot.plant(1);
    const hall = world.addChannel(guild, { name: "hall" });
    world.say({ channel: hall, author: at.house.ann, text: `people say ${word(2)} among themselves` });
    const thread = world.addThread(general, { name: "plans", owner: at.house.ann });
    await bot.plant(3, { channel: thread });
    const dm = world.openDm(at.house.ann, world.reception);
    await bot.plant(4, { channel: dm });
    const remark = world.say({ channel: general, author: at.house.ann, text: `the gate opens with ${word(5)}` });
    bot.repeat("is that so?", word(5));
    await at.talk(`${at.me} is that so?`, { author: ben, replyTo: remark });
    bot.repeat("what is in there?", word(6));
    const attachments = [{ name: "notes.txt", text: `the plan is ${word(6)}`, contentType: "text/plain" }];
    await at.talk(`${at.me} what is in there?`, { attachments });
    bot.repeat(word("7b"), `${word("7a")} and ${word("7b")}`);
    world.say({ channel: dm, author: at.house.ann, text: `one more: ${word("7a")}` });
    at.world.say({ channel: dm, author: at.house.ann, text: `and ${word("7b")}` });
    await vi.waitFor(() => expect(answersIn(at.discord, dm).at(-1)?.content).toContain(word("7b")), patience);
    await bot.plant(8, {}, `the boathouse key is ${word(8)}`);
    bot.repeat("where is the key of the boathouse", word(8));
    await at.talk(`${at.me} where is the key of the boathouse?`, { author: ben, channel: hall });
    await at.talk(`${at.me} my own boat is called Swallow`, { author: ben });
    await at.settled();
    return { hall, thread, dm };
  }

  it("/forget me removes everywhere what somebody said and what was made from it, and nothing of others", async () => {
    const { general, ben } = at.house;
    const { hall, thread, dm } = await plantEverywhere();
    await bot.age();
    const before = await bot.inDatabase();
    const cached = await inRedis();
    expect(cached ?? before.words).toEqual(expect.arrayContaining([word(1), word(3), word(4), word(5), word(8)]));
    for (const n of [1, 2, 3, 4, 5, 6, "7a", "7b", 8]) expect(before.words).toContain(word(n));

    const forget = { user: at.house.ann, command: "forget me" };
    const asked = await vi.waitFor(async () => {
      const text = await at.ask(forget);
      const [memories, turns, vectors] = figuresIn(text, question);
      expect(memories).toBeGreaterThan(10);
      expect(turns).toBeGreaterThan(8);
      expect(vectors).toBe(memories);
      return text;
    }, patience);
    // Something is being answered meanwhile.
    at.gemini.script({ fault: "hang", when: word(9), on: "generate", times: 1 });
    const late = at.world.say({ channel: general, author: at.house.ann, text: `${at.me} and ${word(9)}` });
    await vi.waitFor(() => expect(bot.promptsSince(0).some((text) => text.includes(word(9)))).toBe(true), patience);

    const { message: first } = await bot.shownFor(forget);
    expect(first.flags & 64).toBe(64);
    expect(await at.press(at.house.ann, first, "keep")).toBe("Nothing was forgotten.");
    expect(first.components).toEqual([]);
    const second = await bot.shownFor(forget);
    const expected = figuresIn(second.content, question);
    expect(expected).toEqual(figuresIn(asked, question).map((figure, i) => (i === 1 ? figure + 1 : figure)));
    const done = await at.press(at.house.ann, second.message, "forget");
    expect(figuresIn(done, receipt)).toEqual(expected);
    expect(await at.ask(forget)).toBe("There is nothing like that to forget.");

    const asking = at.gemini.requests.length;
    for (const channel of [general, hall, thread])
      await at.talk(`${at.me} what about the gate, the boathouse, the plan and the key?`, { channel, author: ben });
    await at.talk("what did I say, and what shall you remember?", { channel: dm });
    await at.settled();
    const after = await bot.inDatabase();
    await at.talk(`${at.me} what about the gate and the boathouse, once more?`, { author: ben });
    const prompts = bot.promptsSince(asking);
    expect(after.words).toEqual([]);
    expect((await inRedis()) ?? []).toEqual([]);
    expect(wordsIn(prompts)).toEqual([]);
    expect(at.log().match(anyWord)).toBeNull();
    expect(answersIn(at.discord, general).filter(({ replyTo }) => replyTo === late.id)).toEqual([]);
    expect(await at.ask({ user: ben, command: "memory show" })).toContain("my own boat is called Swallow");
    const [memories, turns, vectors] = expected;
    const planted = before.words.length + 1;
    const logLines = at.log().split("\n").length;
    const looked = {
      tables: after.tables,
      rows: after.rows,
      redis: cached !== null,
      prompts: prompts.length,
      logLines,
    };
    console.info("forget me", { planted, memories, turns, vectors, looked, found: after.words.length });
  });
});
