import { describe, expect, it, vi } from "vitest";
import { answersIn, patience } from "./discord-bot.ts";
import { inHouse, type House } from "./discord-house.ts";

const followUps = { on: "rest", method: "POST", path: "^/webhooks/" } as const;
const story = Array.from({ length: 120 }, (_, n) => `Sentence ${n} of a long story about a cat.`).join(" ");

describe.concurrent("an answer to /ask in several parts is there once", () => {
  const ask = ({ world, gemini, general, ann }: House, text: string) => {
    gemini.script({ on: "generate", when: text, times: null, reply: { agent: "mira", reply: story } });
    return world.interact({ user: ann, channel: general, command: "ask", options: { text } });
  };
  /** The sentences that stand in the channel, by their numbers, once the answer has its buttons. */
  const told = async ({ discord, general }: House) => {
    await vi.waitFor(
      () => expect(answersIn(discord, general).filter(({ components }) => components.length > 0)).toHaveLength(1),
      patience,
    );
    const said = answersIn(discord, general).map(({ content }) => content);
    return [...said.join(" ").matchAll(/Sentence (\d+)/g)].map(([, number]) => Number(number));
  };
  const everySentence = Array.from({ length: 120 }, (_, n) => n);

  it.each([
    ["killed between saying a part and noting so", 0],
    ["killed there, and the time of the command is over when it comes back", 16 * 60_000],
  ])("when its process is %s", async (_, awayMs) => {
    let passedMs = 0;
    await inHouse({ now: () => Date.now() + passedMs }, async (house) => {
      const { discord, start, kill } = house;
      await start();
      discord.faults.add({ ...followUps, fault: "act-then-hang" });
      ask(house, "tell a story");
      await vi.waitFor(() => expect(discord.faults.pending()).toEqual([]), patience);
      await vi.waitFor(() => expect(answersIn(discord, house.general)).toHaveLength(2), patience);
      await kill();
      passedMs = awayMs;
      await start();
      expect(await told(house)).toEqual(everySentence);
    });
  });

  it("also when somebody asks the same at once, and Discord answers neither", async () =>
    inHouse({}, async (house) => {
      const { discord, start, kill, general } = house;
      await start();
      discord.faults.add({ ...followUps, fault: "act-then-hang", times: 2 });
      ask(house, "tell a story");
      await vi.waitFor(() => expect(answersIn(discord, general).length).toBeGreaterThan(1), patience);
      await kill();
      await start();
      ask(house, "tell a story");
      await vi.waitFor(
        () => expect(answersIn(discord, general).filter(({ components }) => components.length > 0)).toHaveLength(2),
        patience,
      );
      const said = answersIn(discord, general).map(({ content }) => content);
      expect(said).toHaveLength(2 * new Set(said).size);
    }));
});

it("a question waits for a Discord that does not tell where it was asked, as a message does, and is answered", async () =>
  inHouse({}, async ({ discord, gemini, world, ann, start }) => {
    const bot = await start();
    const channel = world.openDm(ann, world.reception);
    discord.faults.add({ on: "rest", method: "GET", path: `^/channels/${channel.id}$`, fault: "hang", times: null });
    gemini.script({ on: "generate", when: "anybody there", times: null, reply: { agent: "mira", reply: "I am." } });
    world.interact({ user: ann, channel, command: "ask", options: { text: "anybody there?" } });
    const faults = () => bot.log.filter(({ msg }) => msg === "events could not be stored").map(({ err }) => err);
    await vi.waitFor(() => expect(faults()).toHaveLength(1), patience);
    expect(faults()).toEqual([expect.objectContaining({ code: "discord_unavailable" })]);
    discord.faults.clear();
    await vi.waitFor(
      () =>
        expect(answersIn(discord, channel).map(({ content }) => content)).toEqual([expect.stringContaining("I am.")]),
      patience,
    );
  }));
