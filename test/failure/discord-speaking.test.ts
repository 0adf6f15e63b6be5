import { describe, expect, it, vi } from "vitest";
import type { DiscordSimulatorOptions } from "../simulators/discord/simulator.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { inHouse, type House } from "./discord-house.ts";
import { withClock } from "./wrong-clock.ts";

const messages = { on: "rest", method: "POST", path: "/messages$" } as const;

describe.concurrent("an answer is on Discord once", () => {
  /** Nothing was said twice, and this is all the bot said in the channel. */
  const expectInAll = (house: House, count: number, channel: { readonly id: string } = house.general) => {
    expect(answersIn(house.discord, channel)).toHaveLength(count);
    expect(house.discord.report().doubledPosts).toEqual([]);
  };

  it.each<[string, DiscordSimulatorOptions]>([
    ["killed between saying it and noting so", {}],
    ["killed there, and the nonce has expired when it comes back", { nonceKeepMs: 1 }],
  ])("when its process is %s", async (_, options) =>
    inHouse(options, async (house) => {
      const { discord, ask, repliesTo, start, kill, answered } = house;
      await house.start();
      discord.faults.add({ ...messages, fault: "act-then-hang" });
      const asked = ask("who lives here?");
      await vi.waitFor(() => expect(repliesTo(asked)).toHaveLength(1), patience);
      await kill();
      await start();
      await answered(ask("and who else?"), "who else?");
      await answered(asked, "who lives here?");
      expectInAll(house, 2);
    }),
  );

  it("when Discord fails, hangs up, or takes it and hangs up", async () =>
    inHouse({}, async (house) => {
      const { discord, ask, answered } = house;
      await house.start();
      discord.faults.add(
        { ...messages, fault: "status", status: 503, when: "first" },
        { ...messages, fault: "html", when: "first" },
        { ...messages, fault: "drop", when: "second" },
        { ...messages, fault: "act-then-drop", when: "third" },
      );
      const asked = ["first", "second", "third"].map((text) => ({ text, message: ask(text) }));
      for (const { text, message } of asked) await answered(message, text);
      await vi.waitFor(() => expect(discord.report().dedupedPosts).toBe(1), patience);
      expectInAll(house, 3);
      expect(discord.faults.pending()).toEqual([]);
    }));

  it("when Discord hangs, before or after taking it", async () =>
    inHouse({}, async (house) => {
      const { discord, world, guild, ask, answered } = house;
      await house.start();
      const random = world.addChannel(guild, { name: "random" });
      discord.faults.add({ ...messages, fault: "hang", when: "before" });
      discord.faults.add({ ...messages, fault: "act-then-hang", when: "after" });
      const [before, after] = [ask("before"), ask("after", { channel: random })];
      await answered(before, "before");
      await answered(after, "after");
      await vi.waitFor(() => expect(discord.report().dedupedPosts).toBe(1), patience);
      expectInAll(house, 1);
      expectInAll(house, 1, random);
    }));

  it("when somebody has deleted what was shown of it, and Discord still knows that message by its nonce", async () =>
    inHouse({ nonceOutlivesMessage: true }, async (house) => {
      const { discord, world, start, ask, repliesTo, answered } = house;
      await start();
      const reply = Array.from({ length: 40 }, (_, n) => `Sentence ${n} of a story.`).join(" ");
      const asked = ask("what is new?", {
        model: { reply: { agent: "mira", reply }, firstTokenMs: 3_200, chunkMs: 120 },
      });
      await vi.waitFor(() => expect(repliesTo(asked)).toHaveLength(1), patience);
      const [draft] = repliesTo(asked);
      if (draft !== undefined) world.delete(draft);
      await answered(asked, "Sentence 39 of a story.");
      expect(discord.report().dedupedPosts).toBeGreaterThan(0);
      expectInAll(house, 1);
    }));

  it("when Discord fails for longer than anybody waits: it is put back and said later", async () =>
    inHouse({}, async (house) => {
      const { discord, ask, answered, logged } = house;
      await house.start();
      discord.faults.add({ ...messages, fault: "status", times: 6 });
      const asked = ask("are you there?");
      await logged("a turn is put back");
      await answered(asked, "are you there?");
      expectInAll(house, 1);
      expect(discord.faults.pending()).toEqual([]);
    }));
});

describe.concurrent("a limit of Discord's", () => {
  it.each<[string, object]>([
    ["of a channel", { scope: "user" }],
    ["that others use up as well", { scope: "shared" }],
    ["of the whole bot", { scope: "global" }],
  ])("%s, when it is short, is waited for", async (_, limit) =>
    inHouse({}, async (house) => {
      const { discord, start, ask, answered } = house;
      await start();
      discord.faults.add({ ...messages, fault: "429", retryAfterSeconds: 1, ...limit });
      await answered(ask("is there room?"), "is there room?");
      expect(discord.report().posts).toBe(1);
    }),
  );

  it("that is long puts the answer back; others go on, and in its conversation the order stays", async () =>
    inHouse({}, async (house) => {
      const { discord, world, guild, general, start, ask, answered, logged, repliesTo } = house;
      const random = world.addChannel(guild, { name: "random" });
      await start();
      discord.faults.add({
        ...messages,
        fault: "429",
        retryAfterSeconds: 8,
        path: `^/channels/${general.id}/messages$`,
      });
      const [first, second] = [ask("first"), ask("second")];
      await logged("a turn is put back");
      await answered(ask("elsewhere", { channel: random }), "elsewhere");
      expect([repliesTo(first), repliesTo(second)]).toEqual([[], []]);
      await answered(second, "second");
      expect(answersIn(discord, general).map(({ replyTo }) => replyTo)).toEqual([first.id, second.id]);
    }));

  it("of 20 minutes holds up nobody else, and the promise is still there after a restart, and kept when they are over", async () =>
    inHouse({}, async (house) => {
      const { discord, world, guild, general, start, kill, ask, answered, logged } = house;
      const random = world.addChannel(guild, { name: "random" });
      await start();
      discord.faults.add({
        ...messages,
        fault: "429",
        retryAfterSeconds: 1_200,
        path: `${general.id}/messages$`,
        times: null,
      });
      const asked = ask("first");
      await logged("a turn is put back");
      await kill();
      const bot = await start();
      await answered(ask("elsewhere", { channel: random }), "elsewhere");
      expect((await bot.status()).inbox).toMatchObject({ waiting: 1, buried: 0 });
      expect(answersIn(discord, general)).toEqual([]);
      await kill();
      discord.faults.clear();
      await start(withClock(1_200_000));
      await answered(asked, "first");
      expect(answersIn(discord, general)).toHaveLength(1);
    }));

  it("without JSON, as Cloudflare says it, puts the answer back", async () =>
    inHouse({}, async (house) => {
      const { discord, start, ask, answered, logged } = house;
      await start();
      discord.faults.add({ ...messages, fault: "html", status: 429, times: null });
      const asked = ask("is anybody there?");
      await logged("a turn is put back");
      expect(discord.report().restStatuses["429"]).toBe(1);
      discord.faults.clear();
      await answered(asked, "is anybody there?");
      expect(discord.report().posts).toBe(1);
    }));

  it("that bans the address is not answered with more requests", async () =>
    inHouse({ invalidRequests: 3 }, async (house) => {
      const { discord, world, guild, start, ask, logged } = house;
      await start();
      const forbidden = { ...messages, fault: "error", status: 403, code: 50_001, times: 3 } as const;
      discord.faults.add({ ...forbidden, path: "/typing$" });
      for (const name of ["one", "two", "three"])
        ask(`hello ${name}`, { channel: world.addChannel(guild, { name }), model: { firstTokenMs: 1_500 } });
      await logged("a turn is put back", 3);
      expect(discord.report().restStatuses["429"]).toBeLessThanOrEqual(6);
      expect(discord.report().posts).toBe(0);
    }));
});

describe.concurrent("a message that cannot be answered is buried with its reason, and the others are answered", () => {
  const buriedBecause = async (house: House, reason: RegExp) => {
    await vi.waitFor(async () => expect(await house.buried()).toHaveLength(1), patience);
    expect((await house.buried())[0]?.error).toMatch(reason);
  };

  it.each<[string, { status: number; code: number }]>([
    ["the bot lacks a permission", { status: 403, code: 50_013 }],
    ["the bot lost its access", { status: 403, code: 50_001 }],
    ["Discord does not know the channel", { status: 404, code: 10_003 }],
    ["Discord does not like its form", { status: 400, code: 50_035 }],
  ])("because %s", async (_, refusal) =>
    inHouse({}, async (house) => {
      const { discord, world, guild, general, start, ask, answered } = house;
      const random = world.addChannel(guild, { name: "random" });
      await start();
      const path = `^/channels/${general.id}/messages$`;
      discord.faults.add({ ...messages, fault: "error", ...refusal, path, times: null });
      ask("may you speak?");
      await buriedBecause(house, new RegExp(`^discord_refused: .+${refusal.code}`));
      expect(discord.report().restRequests["POST /channels/:channel/messages"]).toBeLessThanOrEqual(2);
      discord.faults.clear();
      await answered(ask("and now?"), "and now?");
      await answered(ask("elsewhere", { channel: random }), "elsewhere");
      expect(await house.buried()).toHaveLength(1);
    }),
  );

  it("because it may not write there: nothing is even tried", async () =>
    inHouse({}, async (house) => {
      const { discord, world, guild, start, ask, answered } = house;
      const muted = world.addChannel(guild, {
        name: "muted",
        overwrites: [{ of: guild.id, deny: ["sendMessages"] }],
      });
      await start();
      ask("may you speak?", { channel: muted, model: { firstTokenMs: 1_500 } });
      await buriedBecause(house, /^discord_refused: .+Send Messages/);
      expect(discord.report().restRequests["POST /channels/:channel/typing"]).toBeUndefined();
      await answered(ask("elsewhere"), "elsewhere");
      expect(discord.report().posts).toBe(1);
    }));

  it("because Discord refuses it, which is not asked with every sentence of a long answer", async () =>
    inHouse({}, async (house) => {
      const { discord, start, ask } = house;
      await start();
      discord.faults.add({ ...messages, fault: "error", status: 403, code: 50_013, times: null });
      const reply = Array.from({ length: 120 }, (_, n) => `Sentence ${n} of a story.`).join(" ");
      ask("may you speak?", { model: { reply: { agent: "mira", reply }, firstTokenMs: 3_200, chunkMs: 120 } });
      await buriedBecause(house, /^discord_refused: .+50013/);
      expect(discord.report().restRequests["POST /channels/:channel/messages"]).toBeLessThanOrEqual(3);
    }));

  it("but one whose channel was deleted meanwhile is forgotten: its model is stopped and nothing is said", async () =>
    inHouse({}, async (house) => {
      const { discord, gemini, world, guild, start, ask, answered } = house;
      const doomed = world.addChannel(guild, { name: "doomed" });
      await start();
      ask("last words", { channel: doomed, model: { firstTokenMs: 30_000 } });
      const requested = () => gemini.requests.findLast(({ body }) => JSON.stringify(body).includes("last words"));
      await vi.waitFor(() => expect(requested()).toBeDefined(), patience);
      world.removeChannel(doomed);
      await vi.waitFor(() => expect(requested()?.aborted).toBe(true), patience);
      await answered(ask("elsewhere"), "elsewhere");
      expect(discord.report().posts).toBe(1);
      expect(await house.buried()).toEqual([]);
    }));

  it("and is answered without a reference where it may not read the history", async () =>
    inHouse({}, async (house) => {
      const { discord, world, guild, start, ask } = house;
      const blind = world.addChannel(guild, {
        name: "blind",
        overwrites: [{ of: world.reception.id, deny: ["readMessageHistory"] }],
      });
      await start();
      ask("do you see this?", { channel: blind });
      await vi.waitFor(() => expect(answersIn(discord, blind)).toHaveLength(1), patience);
      expect(answersIn(discord, blind)[0]).toMatchObject({
        replyTo: null,
        content: expect.stringContaining("do you see"),
      });
      expect(await house.buried()).toEqual([]);
    }));
});
