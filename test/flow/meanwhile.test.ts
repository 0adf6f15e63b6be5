import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Database, Sql } from "../../src/connections/postgres.ts";
import type { Snowflake } from "../../src/envelope.ts";
import { makePrivacyDesk } from "../../src/privacy.ts";
import { openServerDatabase } from "../connections/fresh-database.ts";
import { revise } from "../gateway/revise.ts";
import { describeOnBothDatabases, describeUnless } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import { openBot } from "./bot-in-process.ts";

type Bot = Awaited<ReturnType<typeof openBot>>;

const log = pino({ level: "silent" });
const canary = "My locker code is canary-4711-zebra.";
const question = "What is my locker code?";
const noah = { author: { id: "6", name: "Noah", kind: "person" } } as const;

/** As the gateway does with what Discord tells. */
const remove = async (tx: Sql, { inbox }: Bot, messageId: Snowflake) => {
  await revise.forget(tx, [messageId]);
  await inbox.deleted(tx, [messageId]);
};
const reword = async (tx: Sql, { inbox, spoken }: Bot, messageId: Snowflake) => {
  const said = spoken.find(({ envelope }) => envelope.messageId === messageId);
  if (said === undefined) throw new Error("it was answered");
  await inbox.edited(tx, { ...said.envelope, text: "never mind" });
  await revise.reword(tx, messageId, "never mind");
};

/** Says it, so long ago that it is not answered again when it is edited. */
const plant = async ({ say, database }: Bot): Promise<Snowflake> => {
  const { envelope } = await say(canary);
  await database.query("update turns set finished_at = finished_at - interval '2 minutes'");
  return envelope.messageId;
};

const kept = async ({ database }: Bot) => {
  const tables = ["turns", "memories"].map((table) => database.query(`select * from ${table}`));
  return JSON.stringify(await Promise.all(tables));
};

const steps = [
  ["thought", "thought about"],
  ["spoken", "spoken"],
] as const;
const deeds = [
  ["deleted", remove],
  ["edited", reword],
] as const;

await describeOnBothDatabases("what is taken back while an answer is made from it", (kind) => {
  let bot: Bot;
  beforeEach(async () => {
    bot = await openBot(log, kind);
  });
  afterEach(() => bot.close());

  for (const [step, name] of steps)
    for (const [word, deed] of deeds)
      it(`is not kept with that answer: ${word} while it is ${name}`, async () => {
        const messageId = await plant(bot);
        bot.meanwhile[step] = () => bot.database.transaction((tx) => deed(tx, bot, messageId));
        const quoted = await bot.say(question, noah);
        expect(quoted.text).toContain("canary-4711");
        expect(await kept(bot)).not.toContain("canary-4711");
        const turns = await bot.database.query("select state, draft, receipt from turns where message_id = $1", [
          quoted.envelope.messageId,
        ]);
        expect(turns).toEqual([{ state: "answered", draft: null, receipt: { tokens: expect.anything() } }]);
        expect((await bot.say("And what was the locker code?", noah)).text).not.toContain("canary-4711");
      });

  it("is not kept with that answer: forgotten at a terminal while it is spoken", async () => {
    const place = {
      guildId: "7",
      channelId: "10",
      conversationId: "10",
      authorId: "5",
      alsoReadable: "public",
    } as const;
    await plant(bot);
    bot.meanwhile.spoken = async () => {
      const signal = AbortSignal.timeout(5_000);
      const [memory] = await bot.desk.matching(place, { kind: "words", words: "canary-4711" }, signal);
      await bot.desk.forget(place, [memory?.id ?? ""], signal);
    };
    await bot.say(question, noah);
    expect(await kept(bot)).not.toContain("canary-4711");
  });

  it("is not kept with that answer to a reply to it, whoever said it", async () => {
    bot.meanwhile.thought = () => bot.database.transaction((tx) => remove(tx, bot, "1"));
    const repliedTo = { author: "stranger", text: canary, messageId: "1", authorId: "8" };
    const { envelope } = await bot.say("What is this?", { ...noah, repliedTo });
    const turns = await bot.database.query("select draft, replied_to from turns where message_id = $1", [
      envelope.messageId,
    ]);
    expect(turns).toEqual([{ draft: null, replied_to: null }]);
    expect(await bot.database.query("select from memories where kind = 'reply'")).toEqual([]);
  });

  it("is kept with that answer when it only unfurls", async () => {
    const messageId = await plant(bot);
    bot.meanwhile.thought = async () => {
      const text = `${canary}\n[link: Lockers: how they work]`;
      await bot.database.transaction((tx) => revise.extend(tx, messageId, text));
    };
    const { envelope, text } = await bot.say(question, noah);
    const found = await bot.database.query(
      "select text from memories where kind = 'reply' and source_message_id = $1",
      [envelope.messageId],
    );
    expect(found).toEqual([{ text }]);
  });
});

await describeOnBothDatabases("what comes to stand behind a link while its message is answered", (kind) => {
  for (const [step, name] of steps)
    it(`is remembered with it, and read at the next message: while that is ${name}`, async () => {
      const bot = await openBot(log, kind);
      bot.meanwhile[step] = () =>
        bot.database.transaction(async (tx) => {
          const [turn] = await tx.query<{ message_id: Snowflake; text: string }>("select message_id, text from turns");
          if (turn === undefined) throw new Error("it is being answered");
          await revise.extend(tx, turn.message_id, `${turn.text}\n[link: Ferry: from pier nine]`);
        });
      const { envelope } = await bot.say("When does it leave? https://ferry.example");
      const said = "When does it leave? https://ferry.example\n[link: Ferry: from pier nine]";
      const memories = await bot.database.query("select text from memories where kind = 'message'");
      expect(memories).toEqual([{ text: said }]);
      const next = { ...envelope, messageId: String(BigInt(envelope.messageId) + 1n) };
      const agents = [{ memory: { recall: false, scope: "channel" } }] as const;
      const asked = { envelope: next, priority: "mention" } as const;
      const { recent } = await bot.memory.recall(asked, agents, AbortSignal.timeout(5_000));
      expect(recent.map(({ text }) => text)).toContain(said);
      await bot.close();
    });
});

const missing = await whyNoPostgres();
describeUnless(missing, "what is taken back in the very moment in which an answer made from it is stored", () => {
  let bot: Bot;
  beforeEach(async () => {
    bot = await openBot(log, { open: () => openServerDatabase(), alone: false });
  });
  afterEach(() => bot.close());

  it("is not kept with its draft", async () => {
    const messageId = await plant(bot);
    let deleting = Promise.resolve();
    bot.meanwhile.thought = async () => {
      const deleted = Promise.withResolvers<void>();
      deleting = bot.database.transaction(async (tx) => {
        await remove(tx, bot, messageId);
        deleted.resolve();
        await somebodyWaits(bot.database);
      });
      await Promise.race([deleted.promise, deleting]);
    };
    await bot.say(question, noah);
    await deleting;
    expect(await kept(bot)).not.toContain("canary-4711");
  });

  it("is not kept with its memory", async () => {
    await plant(bot);
    const desk = makePrivacyDesk({ ...bot, retentionDays: () => null });
    let forgetting: Promise<unknown> = Promise.resolve();
    bot.meanwhile.stored = async () => {
      forgetting = desk.forgetAll({ kind: "person", personId: "5" });
      await Promise.race([somebodyWaits(bot.database), forgetting]);
    };
    await bot.say(question, noah);
    await forgetting;
    expect(await kept(bot)).not.toContain("canary-4711");
  });
});

/** Resolves once one transaction waits for another. */
async function somebodyWaits(database: Database): Promise<void> {
  await vi.waitFor(async () => {
    const waiting = await database.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    expect(waiting.length).toBeGreaterThan(0);
  });
}
