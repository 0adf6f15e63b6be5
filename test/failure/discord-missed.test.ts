import { expect, it } from "vitest";
import { inHouse, type House } from "./discord-house.ts";

/** Nobody listens until the end of `meanwhile`, and the session is gone. */
async function whileAway(house: House, meanwhile: () => void, env: Readonly<Record<string, string>> = {}) {
  await house.kill();
  meanwhile();
  house.discord.faults.expireSessions();
  await house.start(env);
}

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
