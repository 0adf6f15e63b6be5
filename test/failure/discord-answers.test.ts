import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { answersIn, patience } from "./discord-bot.ts";
import { describeInSetUps, openHouse, setUps, type House } from "./discord-house.ts";

const slow = { firstTokenMs: 3_200, chunkMs: 120 };

describeInSetUps("an answer of the bot", await setUps(), (setUp) => {
  let house: House;
  beforeAll(async () => {
    house = await openHouse({}, setUp);
    await house.start();
  });
  afterAll(() => house.close());
  const channel = (name: string, overwrites: Parameters<House["world"]["addChannel"]>[1]["overwrites"] = []) =>
    house.world.addChannel(house.guild, { name, overwrites });
  /** All that was said in answer to the only question of a channel, once there are `count` messages and the last is final: only then it has buttons. */
  const parts = async (where: { readonly id: string }, count: number) => {
    const said = await vi.waitFor(() => {
      const now = answersIn(house.discord, where);
      expect([now.length, now.at(-1)?.components.length]).toEqual([count, 1]);
      return now;
    }, patience);
    expect(said.slice(1).map(({ replyTo }) => replyTo)).toEqual(said.slice(1).map(() => null));
    return said;
  };
  /** The first message in a channel, whatever it says by then. */
  const begins = (where: { readonly id: string }) =>
    vi.waitFor(() => {
      const [first] = answersIn(house.discord, where);
      if (first === undefined) throw new Error("nothing is said yet");
      return first;
    }, patience);
  const prompted = (text: string) =>
    vi.waitFor(
      () => expect(house.gemini.requests.filter(({ body }) => JSON.stringify(body).includes(text))).not.toEqual([]),
      patience,
    );

  it("of 9,000 characters with code comes in order, in at most five parts, with its fences closed and opened again", async () => {
    const { ask, world } = house;
    const code = Array.from({ length: 200 }, (_, i) => `const line${i} = "${"x".repeat(20)} 👩‍👩‍👧";`).join("\n");
    const reply = `Here it is.\n\n\`\`\`ts\n${code}\n\`\`\`\n\nThat is all.`;
    expect(reply.length).toBeGreaterThan(8_500);
    const where = channel("long");
    const asked = ask("show me the code", { channel: where, model: { reply: { agent: "teo", reply } } });
    await vi.waitFor(() => expect(answersIn(house.discord, where).at(-1)?.content).toContain("That is all."), patience);
    const said = await parts(where, answersIn(house.discord, where).length);
    expect(said.length).toBeLessThanOrEqual(5);
    expect(said[0]?.replyTo).toBe(asked.id);
    for (const { content } of said) {
      expect(content.length).toBeLessThanOrEqual(2_000);
      expect((content.match(/^```/gm) ?? []).length % 2).toBe(0);
    }
    for (const { content } of said.slice(1)) expect(content).toMatch(/^```ts\n/);
    const together = said.map(({ content }) => content).join("\n");
    const lines = [...together.matchAll(/^const line(\d+) = .+;$/gm)].map(([, number]) => Number(number));
    expect(lines).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(said.map(({ components }) => components.length)).toEqual([...said.slice(1).map(() => 0), 1]);
    expect(world.messages(where)).toHaveLength(said.length + 1);
  });

  const novel = Array.from({ length: 300 }, (_, i) => `Sentence ${i} of a long story about a cat.`).join(" ");

  it("that is longer still begins in a message, which has all of it as a file", async () => {
    const where = channel("longer");
    house.ask("tell me a story", { channel: where, model: { reply: { agent: "mira", reply: novel } } });
    const [first] = await parts(where, 1);
    expect(first?.content).toMatch(/Sentence 0[^]+all of it is in the file/);
    expect(first?.attachments).toMatchObject([{ filename: "answer.md", text: novel }]);
  });

  it("that is longer still, where files are not allowed, says at the end of five parts that it was cut", async () => {
    const where = channel("no-files", [{ of: house.guild.id, deny: ["attachFiles"] }]);
    house.ask("tell me a story", { channel: where, model: { reply: { agent: "mira", reply: novel } } });
    const said = await parts(where, 5);
    expect(said.flatMap(({ attachments }) => attachments)).toEqual([]);
    expect(said[0]?.content).toContain("Sentence 0");
    expect(said[4]?.content).toMatch(/Sentence \d+[^]+Attach Files/);
    for (const { content } of said) expect(content.length).toBeLessThanOrEqual(2_000);
  });

  it("pings nobody, whatever the model writes, be it slow or not", async () => {
    const { guild, world, ann, gemini } = house;
    const mighty = world.addRole(guild, { name: "mighty", permissions: ["mentionEveryone"] });
    world.setMember(guild, world.reception, { roles: [mighty] });
    const role = world.addRole(guild, { name: "crew", mentionable: true });
    const where = channel("party");
    const words = `Come, @everyone, @here, <@&${role.id}>, <@&${guild.id}>, <@${ann.id}> and <@!${ann.id}>!`;
    for (const model of [{}, slow]) {
      house.ask(`call them ${model === slow}`, {
        channel: where,
        model: { reply: { agent: "mira", reply: words }, ...model },
      });
    }
    await vi.waitFor(() => {
      const said = answersIn(house.discord, where);
      expect(said.filter(({ content, components }) => content.includes("Come,") && components.length > 0)).toHaveLength(
        2,
      );
    }, patience);
    const said = answersIn(house.discord, where);
    expect(said[1]?.edits.length).toBeGreaterThan(0);
    const pinged = said.flatMap((one) => [one.pinged, ...one.edits.map((edit) => edit.pinged)]);
    expect(new Set(pinged.map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"everyone":false,"users":[],"roles":[]}']),
    );
    gemini.clear();
  });

  it("that is slow is shown as it is written, and changed at most every 1.2 seconds", async () => {
    const where = channel("slow");
    const reply = Array.from({ length: 80 }, (_, n) => `Sentence ${n} of a story.`).join(" ");
    house.ask("tell it slowly", { channel: where, model: { ...slow, reply: { agent: "mira", reply } } });
    const [shown] = await parts(where, 1);
    // The last one is the answer itself, which waits for nothing.
    const moments = [shown?.createdAt ?? 0, ...(shown?.edits ?? []).slice(0, -1).map(({ at }) => at)];
    expect(moments.length).toBeGreaterThan(3);
    const distances = moments.slice(1).map((at, index) => at - (moments[index] ?? 0));
    // Timers may be a millisecond early, and so may each of two clocks that are read.
    expect(Math.min(...distances)).toBeGreaterThanOrEqual(1_200 - 3);
  });

  it("is not written to the end when the question is deleted: what is there goes, and the typing stops", async () => {
    const { world, discord } = house;
    const where = channel("deleted");
    const reply = { agent: "mira", reply: "One word after the other, and then many more of them. ".repeat(10) };
    const asked = house.ask("write slowly", { channel: where, model: { ...slow, reply } });
    await begins(where);
    world.delete(asked);
    await vi.waitFor(() => expect(answersIn(discord, where)).toEqual([]), patience);
    await vi.waitFor(() => expect(house.gemini.requests.at(-1)?.aborted).toBe(true), patience);
    const typed = world.typing(where).length;
    // A turn that goes all its way proves that the other one has nothing more to do.
    await house.answered(
      house.ask("and much later?", { channel: where, model: { firstTokenMs: 9_000 } }),
      "and much later?",
    );
    expect(answersIn(discord, where)).toHaveLength(1);
    expect(world.typing(where).length - typed).toBeLessThanOrEqual(3);
  });

  it.each(["act-then-delay", "act-then-hang"] as const)(
    "does not stay when the question is deleted while it is on its way (%s)",
    async (fault) => {
      const { world, discord } = house;
      const where = channel(fault);
      discord.faults.add({ on: "rest", method: "POST", path: `${where.id}/messages`, fault, delayMs: 1_000 });
      const asked = house.ask("what is it?", { channel: where });
      await begins(where);
      world.delete(asked);
      await vi.waitFor(() => expect(answersIn(discord, where)).toEqual([]), patience);
      await house.answered(house.ask("and now?", { channel: where }), "and now?");
      expect(answersIn(discord, where)).toHaveLength(1);
    },
  );

  it("is given anew, in the same message, when the question is edited while it is written", async () => {
    const { world, gemini } = house;
    const where = channel("edited");
    const reply = { agent: "mira", reply: "Red is the colour of roses and of much else besides. ".repeat(10) };
    const asked = house.ask("what is red?", { channel: where, model: { ...slow, reply } });
    const begun = await begins(where);
    gemini.script({
      when: "what is green?</message>",
      times: null,
      reply: { agent: "mira", reply: "Grass is green." },
    });
    world.edit(asked, `<@${world.reception.id}> what is green?`);
    const answer = await house.answered(asked, "Grass is green.");
    expect(answer.id).toBe(begun.id);
    expect(answer.content).not.toContain("roses");
    await house.answered(house.ask("and now?", { channel: where }), "and now?");
    expect(answersIn(house.discord, where)).toHaveLength(2);
    expect(world.message(answer.id).content).toContain("Grass is green.");
  });

  it("never answers a bot that echoes it, nor a webhook that repeats everything", async () => {
    const { world, guild, discord } = house;
    const where = channel("echoes");
    const parrot = world.addBot({ name: "parrot", token: "parrot-token-0000000000" });
    world.addMember(guild, parrot);
    const hook = world.addWebhook(where, house.ann, "hook");
    const echoed = new Set<string>();
    const echo = () => {
      for (const { id, content } of answersIn(discord, where).filter(
        ({ authorId }) => authorId === world.reception.id,
      )) {
        if (echoed.has(id)) continue;
        echoed.add(id);
        world.say({ channel: where, author: parrot, text: `<@${world.reception.id}> ${content}`, replyTo: id });
        world.webhookSay(hook, `<@${world.reception.id}> ${content}`);
      }
    };
    for (const text of ["hello", "who are you?", "last words"]) {
      const asked = house.ask(text, { channel: where });
      await vi.waitFor(() => {
        echo();
        expect(house.repliesTo(asked)).toHaveLength(1);
      }, patience);
      echo();
    }
    await house.answered(house.ask("is it quiet?", { channel: where }), "is it quiet?");
    const own = answersIn(discord, where).filter(({ authorId }) => authorId === world.reception.id);
    expect([own.length, echoed.size]).toEqual([4, 3]);
  });

  it("is one for each of two people who ask at once in a thread, in their order, also when Discord says it twice", async () => {
    const { world, guild, discord, general, ann } = house;
    const ben = world.addUser("ben");
    world.addMember(guild, ben);
    const thread = world.addThread(general, { name: "plans", owner: ann });
    discord.faults.add({ on: "gateway", fault: "duplicate", event: "MESSAGE_CREATE", times: 6 });
    const asked = [1, 2, 3].flatMap((round) =>
      [ann, ben].map((author) => house.ask(`question ${round} of ${author.name}`, { channel: thread, author })),
    );
    await vi.waitFor(() => expect(answersIn(discord, thread)).toHaveLength(6), patience);
    expect(answersIn(discord, thread).map(({ replyTo }) => replyTo)).toEqual(asked.map(({ id }) => id));
    await house.answered(house.ask("and now?", { channel: thread }), "and now?");
    expect(answersIn(discord, thread)).toHaveLength(7);
    await prompted("question 3 of ben");
  });
});
