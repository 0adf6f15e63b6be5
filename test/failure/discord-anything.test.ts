import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readDispatch } from "../../src/gateway/dispatch.ts";
import { mutated, samples } from "../gateway/payloads.ts";
import { randomFrom } from "../random.ts";
import { patience } from "./discord-bot.ts";
import { openHouse, type House } from "./discord-house.ts";
import type { Watched } from "./process.ts";

const canary = "canary-7f31";
const unreadable = "an event could not be read and is left out";

describe("a bot to which Discord sends anything at all is alive, ready and answers, and none of it stands in its log", () => {
  let house: House;
  let bot: Watched;
  beforeAll(async () => {
    house = await openHouse();
    bot = await house.start({ LOG_LEVEL: "trace" });
  });
  afterAll(() => house.close());
  const lines = (words: string) => bot.log.filter(({ msg }) => String(msg).includes(words));
  const counted = async (status: string) =>
    (await bot.metrics()).value("discord_agent_gateway_events_total", { status }) ?? 0;
  const isWell = async () => {
    await house.answered(house.ask("are you there?"), "Re: are you there?");
    const paths = ["/health/live", "/health/ready", "/health", "/status", "/metrics"];
    const pages = await Promise.all(paths.map((path) => bot.get(path)));
    expect(pages.map(({ status }) => status)).toEqual(paths.map(() => 200));
    const seen = [bot.errors(), ...(await Promise.all(pages.map((page) => page.text())))].join("\n");
    for (const secret of [canary, "sim-reception-token"]) expect(seen).not.toContain(secret);
    expect(bot.errors()).not.toMatch(/nobody caught|UnhandledPromiseRejection|Warning:/);
    expect(bot.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect(house.discord.report().doubledPosts).toEqual([]);
  };

  it("be it 3,000 events of which one to three things are strange, with each kind of fault logged once and all counted", async () => {
    const random = randomFrom(3);
    const mention = `<@${house.world.reception.id}>`;
    const events = JSON.parse(JSON.stringify(samples(canary)).replaceAll("<@77>", mention)) as ReturnType<
      typeof samples
    >;
    const refused: string[] = [];
    for (let i = 0; i < 3_000; i += 1) {
      const { t, d } = events[i % events.length] ?? { t: "", d: {} };
      const strange: unknown = JSON.parse(JSON.stringify(mutated(d, random)));
      try {
        readDispatch({ t, d: strange });
      } catch (error) {
        refused.push(String(error));
      }
      house.discord.faults.dispatch({ t, d: strange });
      if (i % 300 === 299) await house.answered(house.ask(`question ${i}`), `Re: question ${i}`);
    }
    expect(refused.length).toBeGreaterThan(500);
    expect(await counted("unreadable")).toBe(refused.length);
    const reasons = lines(unreadable).map(({ reason }) => reason);
    expect(new Set(reasons).size).toBe(reasons.length);
    expect(reasons).toHaveLength(Math.min(100, new Set(refused).size));
    await isWell();
  });

  it("be it events that nobody knows, deep or long ones, or a server of 1,000 channels whose names hold control characters", async () => {
    const { ann, discord, world } = house;
    const before = [await counted("unreadable"), await counted("bad_frame"), lines(unreadable).length];
    let deep: unknown = canary;
    for (let i = 0; i < 1_000; i += 1) deep = i % 2 === 0 ? [deep] : { [canary]: deep };
    const author = { id: ann.id, username: canary };
    const message = { id: "1", channel_id: house.general.id, author, timestamp: "", content: canary.repeat(10_000) };
    const strange = ["A_NEW_EVENT", "__proto__", "constructor", "", "MESSAGE_CREATE\n"];
    for (const t of strange) discord.faults.dispatch({ t, d: deep });
    discord.faults.dispatch({ t: "MESSAGE_CREATE", d: { ...message, nonce: deep } });
    for (const d of [null, [], 7, canary]) discord.faults.dispatch({ t: "MESSAGE_CREATE", d });
    const guild = world.addGuild({ name: `\u0000\u001b[31m${canary}`, ownerId: ann.id });
    const channels = Array.from({ length: 1_000 }, (_, i) =>
      world.addChannel(guild, { name: `\u0000\u001b]0;${canary}\u0007\r\n\u202e${i}` }),
    );
    world.addMember(guild, world.reception);
    const channel = channels[999] ?? guild;
    await house.answered(house.ask("in the last of them", { channel }), "Re: in the last of them");
    await isWell();
    const [unread = 0, bad, said = 0] = before;
    expect([await counted("unreadable"), await counted("bad_frame")]).toEqual([unread + 4, bad]);
    expect(lines(unreadable).length - said).toBeLessThanOrEqual(1);
  });

  it("be it numbers that were there before, or are far ahead, or a lost event: what is missing is asked for again and comes in order", async () => {
    const { discord, world, general, ann } = house;
    const [resumeds, again] = [discord.report().resumeds, await counted("again")];
    const forged = (content: string, id: string) => ({
      id,
      channel_id: general.id,
      guild_id: house.guild.id,
      author: { id: ann.id, username: "ann" },
      timestamp: new Date().toISOString(),
      content: `<@${world.reception.id}> ${content}`,
    });
    discord.faults.dispatch({ t: "MESSAGE_CREATE", d: forged(canary, "3"), s: 1 });
    await house.answered(house.ask("after one that was"), "Re: after one that was");
    expect([await counted("again"), await counted("hole")]).toEqual([again + 1, 0]);

    discord.faults.dispatch({ t: "MESSAGE_CREATE", d: forged(canary, "4"), s: 1_000_000 });
    await house.answered(house.ask("after one far ahead"), "Re: after one far ahead");
    await vi.waitFor(() => expect(discord.report().resumeds).toBe(resumeds + 1), patience);

    discord.faults.add({ on: "gateway", fault: "lose", event: "MESSAGE_CREATE", times: 2 });
    const asked = ["lost", "lost too", "next"].map((text) => house.ask(text));
    for (const one of asked) await house.answered(one, "Re: ");
    const answers = asked.map((one) => house.repliesTo(one)[0]?.createdAt ?? 0);
    expect(answers.toSorted((a, b) => a - b)).toEqual(answers);
    expect(discord.faults.pending()).toEqual([]);
    expect(await counted("hole")).toBe(2);
    expect(discord.report()).toMatchObject({ identifies: 1, resumeds: resumeds + 2, refusedResumes: [] });
    expect(lines("trouble with the connection").filter(({ reason }) => reason === "events are missing")).toHaveLength(
      2,
    );
    await isWell();
  });
});
