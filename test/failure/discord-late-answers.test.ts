import { describe, expect, it, vi } from "vitest";
import { answersIn, patience } from "./discord-bot.ts";
import type { House } from "./discord-house.ts";
import { inHouseThatWaits } from "./wrong-clock.ts";

/** An answer that the bot was seen to write at. */
const long = Array.from({ length: 40 }, (_, n) => `Sentence ${n} of a story.`).join(" ");
const slowly = { reply: { agent: "mira", reply: long }, firstTokenMs: 3_200, chunkMs: 120 };
/** Discord's number of the kind of a message that says who has come. */
const arrival = 7;

describe.concurrent("an answer after a long wait is on Discord once", () => {
  const expectInAll = ({ discord, general }: House, count: number) => {
    expect(answersIn(discord, general)).toHaveLength(count);
    expect(discord.report().doubledPosts).toEqual([]);
  };

  it("in a message of its own, which pings, in place of what was shown meanwhile", async () =>
    inHouseThatWaits(async (house, wait) => {
      const { ann, start, ask, repliesTo, answered } = house;
      await start();
      const asked = ask("what is new?", { model: slowly });
      await vi.waitFor(() => expect(repliesTo(asked)).toHaveLength(1), patience);
      wait();
      const [draft] = repliesTo(asked);
      const answer = await answered(asked, "Sentence 39 of a story.");
      expect([answer.id === draft?.id, answer.pinged.users]).toEqual([false, [ann.id]]);
      expectInAll(house, 1);
    }));

  it.each([
    ["between saying it and noting so", 0],
    ["there, and more was written meanwhile than Discord lists at once", 120],
  ])("when its process is killed %s", async (_, arrivals) =>
    inHouseThatWaits(async (house, wait) => {
      const { discord, world, ann, general, start, kill, ask, repliesTo, answered } = house;
      await start();
      discord.faults.add({
        on: "rest",
        method: "POST",
        path: "/messages$",
        fault: "act-then-hang",
        when: "Sentence 39",
      });
      const asked = ask("what is new?", { model: slowly });
      await vi.waitFor(() => expect(repliesTo(asked)).toHaveLength(1), patience);
      for (let n = 0; n < arrivals; n += 1) world.say({ channel: general, author: ann, text: "", type: arrival });
      wait();
      await vi.waitFor(() => expect(repliesTo(asked)).toHaveLength(2), patience);
      await kill();
      await start();
      await answered(asked, "Sentence 39 of a story.");
      await answered(ask("and else?"), "and else?");
      expectInAll(house, 2);
    }),
  );
});
