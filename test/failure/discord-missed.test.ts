import { expect, it } from "vitest";
import type { Watched } from "./process.ts";
import { inHouse, type House } from "./discord-house.ts";

/** Nobody listens until the end of `meanwhile`, and the session is gone. */
async function whileAway(
  house: House,
  meanwhile: () => void,
  env: Readonly<Record<string, string>> = {},
): Promise<Watched> {
  await house.kill();
  meanwhile();
  house.discord.faults.expireSessions();
  return house.start(env);
}

const hourMs = 3_600_000;

it("what was written while nobody listened is answered, in whatever place: one without messages so far, a new one, a thread, a forum post", () =>
  inHouse({}, async (house) => {
    const { ann, ask, general, guild, world } = house;
    const quiet = world.addChannel(guild, { name: "quiet" });
    const forum = world.addChannel(guild, { name: "ideas", type: "forum" });
    await house.start();
    await house.answered(ask("hello"), "Re: hello");
    const asked: ReturnType<House["ask"]>[] = [];
    await whileAway(house, () => {
      asked.push(ask("in a quiet channel", { channel: quiet }));
      asked.push(ask("in a new channel", { channel: world.addChannel(guild, { name: "fresh" }) }));
      asked.push(ask("in a thread", { channel: world.addThread(general, { name: "plans", owner: ann }) }));
      const text = `<@${world.reception.id}> as a post`;
      asked.push(world.addForumPost(forum, { name: "first", author: ann, text }).message);
    });
    for (const one of asked) await house.answered(one, one.id === asked.at(-1)?.id ? "" : "Re: ");
    expect(house.discord.report().doubledPosts).toEqual([]);
  }));

it("what was written before the bot was there is not answered: before its first start, before it came into a server, or came back", () =>
  inHouse({}, async (house) => {
    const { ann, ask, world } = house;
    const rooms = ["Other", "Third"].map((name) => {
      const server = world.addGuild({ name, ownerId: ann.id });
      return { server, hall: world.addChannel(server, { name: "hall" }) };
    });
    const [other, third] = rooms;
    if (other === undefined || third === undefined) throw new Error("there are two");
    const early = [ask("before the first start"), ask("before it came", { channel: other.hall })];
    world.addMember(third.server, world.reception);
    await house.start();
    world.addMember(other.server, world.reception);
    await house.answered(ask("now?", { channel: other.hall }), "Re: now?");
    await whileAway(house, () => {
      world.removeMember(third.server, world.reception);
      early.push(ask("while it was not a member", { channel: third.hall }));
      world.addMember(third.server, world.reception);
    });
    await house.answered(ask("and now?", { channel: third.hall }), "Re: and now?");
    await house.answered(ask("and here?"), "Re: and here?");
    for (const one of early) expect(house.repliesTo(one)).toEqual([]);
  }));

it("nothing is answered that is older than the configured age, and the log and a metric say so", async () => {
  let agoMs = 3 * hourMs;
  await inHouse({ now: () => Date.now() - agoMs }, async (house) => {
    const { ask, guild, world } = house;
    const other = world.addChannel(guild, { name: "other" });
    await house.start();
    await house.answered(ask("hello"), "Re: hello");
    const late: ReturnType<House["ask"]>[] = [];
    const fresh: ReturnType<House["ask"]>[] = [];
    const bot = await whileAway(
      house,
      () => {
        agoMs = 31 * 60_000;
        late.push(ask("long ago"), ask("long ago in another place", { channel: other }));
        agoMs = 29 * 60_000;
        fresh.push(ask("a while ago"));
        agoMs = 0;
      },
      { DISCORD_BACKFILL_MINUTES: "30" },
    );
    for (const one of fresh) await house.answered(one, "Re: a while ago");
    await house.answered(ask("now", { channel: other }), "Re: now");
    for (const one of late) expect(house.repliesTo(one)).toEqual([]);
    await house.logged("messages that were missed are left out", 2);
    // The two, and perhaps its own answer, of which it had not heard when it was killed.
    const tooOld = (await bot.metrics()).value("discord_agent_gateway_events_total", { status: "missed_too_old" });
    expect([2, 3]).toContain(tooOld);
  });
});

it.each([
  ["an hour behind", -hourMs],
  ["an hour ahead", hourMs],
])("what was missed is answered, also when Discord's clock is %s", async (_, shiftMs) => {
  await inHouse({ now: () => Date.now() + shiftMs }, async (house) => {
    await house.start();
    await house.answered(house.ask("hello"), "Re: hello");
    const asked: ReturnType<House["ask"]>[] = [];
    await whileAway(house, () => asked.push(house.ask("are you there?")), { DISCORD_BACKFILL_MINUTES: "10" });
    expect(asked).toHaveLength(1);
    for (const one of asked) await house.answered(one, "Re: are you there?");
  });
});

it("of very many the newest are kept, and every call among a thousand; what is left out is counted and logged once", () =>
  inHouse({}, async (house) => {
    const { ann, ask, general, world } = house;
    await house.start();
    await house.answered(ask("hello"), "Re: hello");
    const chatter = (from: number, to: number) => {
      for (let i = from; i < to; i += 1) world.say({ channel: general, author: ann, text: `chatter ${i}` });
    };
    const asked: ReturnType<House["ask"]>[] = [];
    const bot = await whileAway(house, () => {
      asked.push(ask("beyond the thousand"));
      chatter(0, 300);
      asked.push(ask("beyond the hundred"));
      chatter(300, 1_100);
      asked.push(ask("the newest"));
    });
    const [beyond, ...within] = asked;
    for (const one of within) await house.answered(one, "Re: ");
    expect(beyond && house.repliesTo(beyond)).toEqual([]);
    const count = async (status: string) =>
      (await bot.metrics()).value("discord_agent_gateway_events_total", { status });
    expect([await count("missed_and_fetched"), await count("missed_too_many")]).toEqual([101, 899]);
    const lines = bot.log.filter(({ msg }) => msg === "messages that were missed are left out");
    expect(lines).toMatchObject([{ tooMany: 899, tooOld: 0, hasOlder: true }]);
  }));

it("what was edited or deleted while nobody listened is so too where something new was written, and /ask stays", () =>
  inHouse({}, async (house) => {
    const { ann, ask, answered, gemini, general, world } = house;
    const promptOf = (words: string) =>
      gemini.requests.map(({ body }) => JSON.stringify(body)).findLast((text) => text.includes(`${words}</message>`)) ??
      "";
    await house.start();
    const say = (text: string) => world.say({ channel: general, author: ann, text });
    // Of what is older than all that is seen nothing is concluded.
    say("good morning");
    const bicycle = say("my bicycle is called Rocinante");
    const boat = say("my boat is called Pinta");
    world.interact({ user: ann, channel: general, command: "ask", options: { text: "is my horse called Babieca" } });
    say("my cat is called Behemoth");
    await answered(ask("what are they called?"), "Re: ");
    expect(promptOf("what are they called?")).toMatch(/Rocinante.+Pinta/);
    const asked: ReturnType<House["ask"]>[] = [];
    await whileAway(house, () => {
      world.delete(bicycle);
      world.edit(boat, "my boat is called Santa Maria");
      asked.push(ask("and what is each called now?"));
    });
    for (const one of asked) await answered(one, "Re: ");
    await answered(ask("what are all of them called today?"), "Re: ");
    const prompt = promptOf("what are all of them called today?");
    expect(prompt).toMatch(/Santa Maria.+Babieca.+Behemoth/);
    expect(prompt).not.toMatch(/Rocinante|Pinta/);
  }));
