import { describe, expect, it, vi } from "vitest";
import { answersIn, patience } from "./discord-bot.ts";
import { inHouse, type House } from "./discord-house.ts";
import { hourMs, inHouseThatWaits, withClock } from "./wrong-clock.ts";

describe.concurrent("a bot whose clock is an hour", () => {
  const isWrong = async ({ start }: House, shiftMs: number) => {
    const { log } = await start(withClock(shiftMs));
    const shifts = log.map(({ time }) => Number(new Date(String(time))) - Date.now());
    expect(Math.min(...shifts.map(Math.abs)), "its clock is right after all").toBeGreaterThan(hourMs / 2);
  };

  it.each([
    ["ahead", hourMs],
    ["behind", -hourMs],
  ])("%s answers a new question with one request, and pings nobody", async (_, shiftMs) =>
    inHouse({}, async (house) => {
      await isWrong(house, shiftMs);
      const asked = house.ask("what time is it?");
      const answer = await house.answered(asked, "what time is it?");
      expect(answer.pinged.users).toEqual([]);
      const { restRequests } = house.discord.report();
      expect(restRequests["POST /channels/:channel/messages"]).toBe(1);
      // What a busy machine answers late is looked for first.
      const isLate = answer.createdAt - asked.createdAt > 5_000;
      expect(isLate || restRequests["GET /channels/:channel/messages"] === undefined).toBe(true);
    }),
  );

  it("behind pings who has waited long", async () =>
    inHouseThatWaits(async (house, wait) => {
      const { ann, ask, discord, general } = house;
      await isWrong(house, -hourMs);
      ask("what time is it?", { model: { firstTokenMs: 1_500 } });
      wait();
      await vi.waitFor(() => expect(answersIn(discord, general)).toHaveLength(1), patience);
      expect(answersIn(discord, general)[0]?.pinged.users).toEqual([ann.id]);
    }));
});
