import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { patience } from "../failure/discord-bot.ts";
import { openHouse, type House } from "../failure/discord-house.ts";
import type { Watched } from "../failure/process.ts";

describe("on Discord the bot reads", () => {
  let house: House;
  let bot: Watched;
  beforeAll(async () => {
    house = await openHouse();
    bot = await house.start();
  });
  afterAll(() => house.close());
  /** The prompt that was sent for a message. */
  const promptOf = async (words: string): Promise<string> => {
    const bodies = () => house.gemini.requests.map(({ body }) => JSON.stringify(body));
    const prompt = () => bodies().findLast((text) => text.includes(words) && text.includes("<message"));
    await vi.waitFor(() => expect(prompt()).toBeDefined(), patience);
    return prompt() ?? "";
  };
  const say = (text: string, over: Partial<Parameters<House["world"]["say"]>[0]> = {}) =>
    house.world.say({ channel: house.general, author: house.ann, text, ...over });
  const me = () => `<@${house.world.reception.id}>`;
  const isAnswered = (asked: ReturnType<House["ask"]>) =>
    vi.waitFor(() => expect(house.repliesTo(asked)).toHaveLength(1), patience);
  const finished = async () =>
    (await bot.metrics()).value("discord_agent_messages_total", { message_type: "answered" }) ?? 0;
  const isHeard = ({ id }: { readonly id: string }) =>
    vi.waitFor(
      () => expect(bot.log.filter(({ msg, messageId }) => msg === "ignored" && messageId === id)).toHaveLength(1),
      patience,
    );

  it("stickers by their names, and embeds by their titles and words", async () => {
    const stickers = [{ id: "1", name: "Wumpus waves", format_type: 1 }];
    await isAnswered(say(`${me()} a sticker`, { stickers }));
    expect(await promptOf("a sticker")).toContain("[sticker: Wumpus waves]");
    const embeds = [{ title: "Tide table", description: "High water at six" }];
    await isAnswered(say(`${me()} an embed`, { embeds }));
    expect(await promptOf("an embed")).toContain("[link: Tide table: High water at six]");
  });

  it("a mention of its role as a call, and of another role as none", async () => {
    const { guild, world } = house;
    const [own, other] = ["helpers", "cooks"].map((name) => world.addRole(guild, { name, mentionable: true }));
    if (own === undefined || other === undefined) throw new Error("there are two roles");
    world.setMember(guild, world.reception, { roles: [own] });
    const others = say(`<@&${other.id}> what is for dinner?`);
    await isAnswered(say(`<@&${own.id}> who can help?`));
    expect(house.repliesTo(others)).toEqual([]);
  });

  it("what is said in an announcement channel and in a thread of it", async () => {
    const { ann, guild, world } = house;
    const news = world.addChannel(guild, { name: "news", type: "announcement" });
    await isAnswered(say(`${me()} in the announcements`, { channel: news }));
    const thread = world.addThread(news, { name: "details", owner: ann });
    await isAnswered(say(`${me()} in their thread`, { channel: thread }));
    expect(await promptOf("in their thread")).toContain("#news");
  });

  it("what Discord shows of a link a moment later, without answering again", async () => {
    const { ask, gemini, world } = house;
    const remark = say("see https://harbour.example/ferry");
    await isHeard(remark);
    world.unfurl(remark, [{ title: "Ferry", description: "leaves at noon from pier nine" }]);
    const before = await finished();
    const asked = ask("look at https://harbour.example/cranes");
    const answer = await house.answered(asked, "Re: look at");
    // What comes while it is being answered is read with it, or not at all.
    await vi.waitFor(async () => expect(await finished()).toBeGreaterThan(before), patience);
    world.unfurl(asked, [{ title: "Cranes", description: "are painted blue" }]);
    await house.answered(ask("when does the ferry leave?"), "Re: when does");
    const prompt = await promptOf("when does the ferry leave?");
    expect(prompt).toContain("[link: Ferry: leaves at noon from pier nine]");
    expect(prompt).toContain("[link: Cranes: are painted blue]");
    expect(house.repliesTo(asked)).toMatchObject([{ id: answer.id }]);
    expect(gemini.requests.filter(({ body }) => /look at [^"]+<\/message>/.test(JSON.stringify(body)))).toHaveLength(1);
  });
});
