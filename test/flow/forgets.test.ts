import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Reply } from "../../src/chat/chat.ts";
import type { Desk, Place } from "../../src/chat/desk.ts";
import type { Envelope } from "../../src/envelope.ts";
import { openBot } from "./bot-in-process.ts";

const place: Place = { guildId: "7", channelId: "10", conversationId: "10", authorId: "5", alsoReadable: "public" };

describe("/forget", () => {
  let bot: Awaited<ReturnType<typeof openBot>>;
  let desk: Desk;
  beforeAll(async () => {
    bot = await openBot(pino({ level: "silent" }));
    desk = bot.desk;
  });
  afterAll(() => bot.close());
  const say = (text: string, over: Partial<Envelope> = {}): Promise<Reply> => bot.say(text, over);

  it("removes a message, the reply to it, what quotes it, and its words from turns, prompts and receipts", async () => {
    const canary = "My locker code is canary-4711-zebra.";
    await say(canary);
    const quoted = await say("What is my locker code?");
    expect(quoted.text).toContain("canary-4711-zebra");
    const signal = AbortSignal.timeout(5_000);
    const [memory] = await desk.matching(place, { kind: "words", words: "canary-4711" }, signal);
    expect(await desk.forget(place, [memory!.id], signal)).toBe(3);

    for (const table of ["turns", "memories", "memory_vectors", "pgboss.job"]) {
      expect(JSON.stringify(await bot.database.query(`select * from ${table}`))).not.toContain("canary-4711");
    }
    expect((await say("What is my locker code?")).text).not.toContain("canary-4711");
    expect(JSON.stringify(await desk.lastReceipt(place, signal))).not.toContain("canary-4711");
  });

  it("lets nobody make another person's words forgotten", async () => {
    await say("Noah keeps bees on the roof.", { author: { id: "6", name: "Noah", kind: "person" } });
    const signal = AbortSignal.timeout(5_000);
    const [bees] = await desk.memories(place, "bees on the roof", 1, signal);
    expect(bees?.author).toBe("Noah");
    expect(await desk.matching(place, { kind: "id", id: bees!.id }, signal)).toEqual([]);
    expect(await desk.matching({ ...place, authorId: "6" }, { kind: "last" }, signal)).toMatchObject([
      { id: bees!.id },
    ]);
  });

  it("shows nothing of another place", async () => {
    const elsewhere: Place = {
      guildId: "8",
      channelId: "80",
      conversationId: "80",
      authorId: "5",
      alsoReadable: "public",
    };
    expect(await desk.memories(elsewhere, null, 10, AbortSignal.timeout(5_000))).toEqual([]);
  });
});

describe("an answer that was spoken", () => {
  it("is not spoken again because storing it failed for a while", async () => {
    const bot = await openBot(pino({ level: "silent" }));
    bot.failStoring(3);
    const reply = await bot.say("My bicycle is green and old.");
    await bot.idle();
    expect(bot.spoken.map(({ envelope }) => envelope.messageId)).toEqual([reply.envelope.messageId]);
    expect(await bot.database.query("select state, attempts from turns")).toEqual([{ state: "answered", attempts: 1 }]);
    await bot.close();
  });

  it("is apologised for with a reference, once, when a bug keeps it from being made", async () => {
    const bot = await openBot(pino({ level: "silent" }));
    await bot.breakRecall();
    const reply = await bot.say("This meets a bug.");
    await bot.idle();
    expect(reply.text).toMatch(/something went wrong inside me.*reference \w+/);
    expect(bot.spoken).toHaveLength(1);
    expect((await bot.inbox.report()).lastBuried).toHaveLength(1);
    await bot.close();
  });
});
