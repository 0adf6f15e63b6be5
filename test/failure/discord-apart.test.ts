import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import type { FaultName } from "../simulators/gemini/behaviours.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { apart, openHouse, type House } from "./discord-house.ts";
import type { Watched } from "./process.ts";

const messages = { on: "rest", method: "POST", path: "/messages$" } as const;
const setUp = await apart();

describeUnless(
  setUp.missing,
  "a gateway and a worker, each a process of its own, survive what one process does:",
  () => {
    let house: House;
    let worker: Watched;
    beforeAll(async () => {
      house = await openHouse({ nonceKeepMs: 1 }, setUp);
      worker = await house.start({ TURN_DEADLINE_SECONDS: "25" });
    });
    afterAll(() => house.close());
    const room = (name: string) => house.world.addChannel(house.guild, { name });
    const restart = async () => {
      worker = await house.start({ TURN_DEADLINE_SECONDS: "25" });
    };
    const count = (what: { readonly id: string }) => answersIn(house.discord, what).length;

    it("the worker is killed after Discord took the answer: another one finds it there, also when its nonce has expired", async () => {
      const channel = room("killed");
      house.discord.faults.add({ ...messages, fault: "act-then-hang" });
      const asked = house.ask("who lives here?", { channel });
      await vi.waitFor(() => expect(house.repliesTo(asked)).toHaveLength(1), patience);
      await house.kill();
      const later = house.ask("and who else?", { channel });
      await restart();
      await house.answered(later, "Re: and who else?");
      await house.answered(asked, "Re: who lives here?");
      expect(count(channel)).toBe(2);
    });

    it("a long limit of a channel puts the answer back; other channels go on, and the order stays", async () => {
      const [channel, other] = [room("limited"), room("free")];
      const path = `^/channels/${channel.id}/messages$`;
      house.discord.faults.add({ ...messages, fault: "429", retryAfterSeconds: 8, path });
      const [first, second] = [house.ask("first", { channel }), house.ask("second", { channel })];
      await house.logged("a turn is put back");
      await house.answered(house.ask("elsewhere", { channel: other }), "Re: elsewhere");
      expect(count(channel)).toBe(0);
      await house.answered(second, "Re: second");
      expect(answersIn(house.discord, channel).map(({ replyTo }) => replyTo)).toEqual([first.id, second.id]);
    });

    it("a limit of 20 minutes holds up nobody else, outlives the worker, and the answer comes when it is over", async () => {
      const [channel, other] = [room("limited-for-long"), room("free-meanwhile")];
      const path = `^/channels/${channel.id}/messages$`;
      const earlier = worker.log.filter(({ msg }) => String(msg).includes("a turn is put back")).length;
      house.discord.faults.add({ ...messages, fault: "429", retryAfterSeconds: 1_200, path, times: null });
      const asked = house.ask("in a while?", { channel });
      await house.logged("a turn is put back", earlier + 1);
      await house.kill();
      await restart();
      await house.answered(house.ask("elsewhere meanwhile", { channel: other }), "Re: elsewhere meanwhile");
      const isKept = async () => expect((await worker.status()).inbox).toMatchObject({ waiting: 1, buried: 0 });
      await vi.waitFor(isKept, patience);
      expect(count(channel)).toBe(0);
      house.discord.faults.clear();
      await house.dueNow();
      await house.answered(asked, "Re: in a while?");
      expect(count(channel)).toBe(1);
    });

    it.each([
      [50_013, 403],
      [10_003, 404],
    ])("a refusal (%i) buries the message with its reason, and is not tried again", async (code, status) => {
      const channel = room(`refused-${code}`);
      const path = `^/channels/${channel.id}/messages$`;
      house.discord.faults.add({ ...messages, fault: "error", status, code, path, times: null });
      house.ask("may you speak?", { channel });
      await vi.waitFor(async () => {
        expect((await house.buried())[0]?.error).toMatch(new RegExp(`^discord_refused: .+${code}`));
      }, patience);
      house.discord.faults.clear();
      await house.answered(house.ask("and now?", { channel }), "Re: and now?");
      expect(count(channel)).toBe(1);
    });

    it.each<FaultName>(["cut", "error-in-200", "hang", "reset-mid"])(
      "the model fails once (%s): the true answer, once",
      async (fault) => {
        const channel = room(`model-${fault}`);
        const when = `what is true of ${fault}?`;
        house.gemini.script({ on: "generate", when, fault, chunkMs: 50 });
        const asked = house.ask(when, { channel, model: { reply: { agent: "mira", reply: "It is true." } } });
        const answer = await house.answered(asked, "It is true.");
        expect(answer.content).toBe("**Mira:** It is true.");
        expect(count(channel)).toBe(1);
      },
    );

    it("the model blocks, writes nothing or no reply for ever: one honest message each, never an empty one", async () => {
      const silent = { finishReason: "MAX_TOKENS", reply: "" } as const;
      const wrong = [{ finishReason: "SAFETY" }, silent, { reply: '{"agent": 7}' }] as const;
      for (const [i, model] of wrong.entries()) {
        const channel = room(`wrong-${i}`);
        const asked = house.ask(`wrong ${i}?`, { channel, model });
        await vi.waitFor(() => {
          const said = house.repliesTo(asked).map(({ content }) => content);
          expect(said).toEqual([expect.stringMatching(/safety filter|length of its answer|garbled twice/)]);
        }, patience);
        expect(count(channel)).toBe(1);
      }
    });

    it("a thousand events at once, some of them sent twice: one answer to each question, in order, and none to the rest", async () => {
      const channels = [room("many-1"), room("many-2"), room("many-3")];
      const ben = house.world.addUser("ben");
      house.world.addMember(house.guild, ben);
      house.discord.faults.add({ on: "gateway", fault: "duplicate", event: "MESSAGE_CREATE", times: 100 });
      const asked: ReturnType<House["ask"]>[] = [];
      for (let i = 0; i < 1_000; i += 1) {
        const channel = channels[i % 3] ?? "";
        if (i % 20 === 0) asked.push(house.ask(`many ${i}`, { channel }));
        else house.world.say({ channel, author: ben, text: `chatter ${i}` });
      }
      for (const one of asked) await house.answered(one, "Re: many");
      for (const channel of channels) {
        const mine = asked.filter(({ channelId }) => channelId === channel.id).map(({ id }) => id);
        expect(answersIn(house.discord, channel).map(({ replyTo }) => replyTo)).toEqual(mine);
      }
    });

    it.each<[string, FaultName, RegExp]>([
      ["for some seconds", "429-minute", /I can answer in about|at about <t:/],
      ["for the day", "429-day", /<t:\d+/],
    ])("the model refuses %s: what one worker heard, another one heeds without asking", async (_, fault, words) => {
      const told = (asked: Parameters<House["repliesTo"]>[0]) =>
        vi.waitFor(() => {
          const said = house.repliesTo(asked).map(({ content }) => content);
          expect(said).toEqual([expect.stringMatching(words)]);
        }, patience);
      const generated = () => house.gemini.requests.filter(({ operation }) => operation === "streamGenerateContent");
      house.gemini.script({ on: "generate", when: `${fault} 0`, fault, retryDelaySeconds: 15 });
      const first = house.ask(`${fault} 0`, { channel: room(fault) });
      await told(first);
      await house.kill();
      const before = generated().length;
      await restart();
      const others = [1, 2, 3].map((i) => house.ask(`${fault} ${i}`, { channel: room(`${fault}-${i}`) }));
      for (const one of others) await told(one);
      expect(generated().slice(before), "it did not heed it").toEqual([]);
      if (fault === "429-day") return;
      for (const [i, one] of [first, ...others].entries()) await house.answered(one, `Re: ${fault} ${i}`);
    });

    it("nobody made a mistake in all this", () => {
      const { doubledPosts, identifies, refusedIdentifies } = house.discord.report();
      expect({ doubledPosts, identifies, refusedIdentifies }).toEqual({
        doubledPosts: [],
        identifies: 1,
        refusedIdentifies: [],
      });
      expect(worker.errors()).not.toMatch(/nobody caught|UnhandledPromiseRejection|Warning:/);
    });
  },
);
