import { afterAll, beforeAll, expect, it } from "vitest";
import { pino } from "pino";
import type { Database } from "../../src/connections/postgres.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import { describeOnEveryDatabase } from "../servers/databases.ts";
import { envelope } from "./envelopes.ts";
import { byItself } from "./by-itself.ts";
import { supervise } from "./supervise.ts";

const log = pino({ level: "silent" });
const nothing = async () => {};

await describeOnEveryDatabase("the inbox", ({ open, alone }) => {
  let database: Database;
  let inbox: Inbox;
  beforeAll(async () => {
    database = await open();
    inbox = makeInbox({ ...byItself, database, alone, log });
    await inbox.start(AbortSignal.timeout(30_000), () => {});
  });
  afterAll(async () => {
    await inbox.stop(AbortSignal.timeout(1000));
    await database.close();
  });
  const drain = async () => {
    const seen: string[] = [];
    for (let turns = await inbox.take(10); turns.length > 0; turns = await inbox.take(10)) {
      for (const turn of turns) {
        seen.push(turn.envelope.messageId);
        await inbox.finish(turn, null, nothing);
      }
    }
    return seen;
  };

  it("keeps the same message once", async () => {
    expect(await inbox.keep(envelope(1), "mention")).toBe(true);
    expect(await inbox.keep(envelope(1), "mention")).toBe(false);
    expect(await drain()).toEqual(["1"]);
  });

  it("keeps a message once that comes twice at the same moment", async () => {
    const heard = [2, 3, 2].map((id) => ({ envelope: envelope(id), priority: "mention" as const }));
    expect(await database.transaction((tx) => inbox.keepAll(tx, heard))).toBe(2);
    expect(await drain()).toEqual(["2", "3"]);
  });

  it("keeps the order inside a conversation, also when many arrive in one millisecond", async () => {
    const ids = Array.from({ length: 40 }, (_, i) => 1000 + i);
    for (const id of ids) await inbox.keep(envelope(id), "mention");
    expect(await drain()).toEqual(ids.map(String));
  });

  it("gives one turn a conversation at a time, and several conversations side by side", async () => {
    for (const id of [2001, 2002]) await inbox.keep(envelope(id, 21), "mention");
    await inbox.keep(envelope(2003, 22), "mention");
    const first = await inbox.take(10);
    expect(first.map((turn) => turn.envelope.messageId).toSorted()).toEqual(["2001", "2003"]);
    expect(await inbox.take(10)).toEqual([]);
    for (const turn of first) await inbox.finish(turn, null, nothing);
    expect(await drain()).toEqual(["2002"]);
  });

  it("holds a deferred turn back, and what follows it in its conversation with it", async () => {
    for (const id of [3001, 3002]) await inbox.keep(envelope(id, 31), "mention");
    const [turn] = await inbox.take(1);
    await inbox.defer(turn!, { afterMs: 3_600_000, reason: "quota", fault: false });
    expect(await inbox.take(10)).toEqual([]);
    await database.query("update pgboss.job set start_after = now() where state = 'retry'");
    const [again] = await inbox.take(10);
    expect(again).toMatchObject({ attempts: 2, faults: 0, envelope: { messageId: "3001" } });
    await inbox.finish(again!, null, nothing);
    expect(await drain()).toEqual(["3002"]);
  });

  it("takes up after a crash what was being answered, with its draft as it was", async () => {
    await inbox.keep(envelope(4001, 41), "mention");
    const [turn] = await inbox.take(1);
    const receipt = { agent: "nova", model: "m", promptRevision: "r" } as never;
    await inbox.saveDraft(turn!, { text: "the finished answer", receipt }, []);
    if (!alone) await findDead(database);
    const restarted = makeInbox({ ...byItself, database, alone, log });
    await restarted.start(AbortSignal.timeout(10_000), () => {});
    const [again] = await restarted.take(1);
    expect(again).toMatchObject({ attempts: 2, maybeSpoken: true, draft: { text: "the finished answer" } });
    // The first attempt comes back from the dead: it may no longer finish the turn.
    await expect(inbox.finish(turn!, null, nothing)).rejects.toThrow(/taken over/);
    await restarted.finish(again!, null, nothing);
    await restarted.stop(AbortSignal.timeout(1000));
    expect(await drain()).toEqual([]);
  });

  it("ends the turn, its job and what is stored with it together or not at all", async () => {
    await inbox.keep(envelope(5001, 51), "mention");
    const [turn] = await inbox.take(1);
    const broken = inbox.finish(turn!, null, async (tx) => void (await tx.query("select 1 / 0")));
    await expect(broken).rejects.toThrow(/22012/);
    expect(await database.query("select state from turns where message_id = 5001")).toEqual([{ state: "answering" }]);
    await inbox.finish(turn!, null, nothing);
    expect(await database.query("select state from turns where message_id = 5001")).toEqual([{ state: "answered" }]);
  });

  it("keeps nothing of a file that its writer takes out by an edit, and gives a message that was forgotten none back", async () => {
    const file = { name: "wrong.txt", url: "https://cdn.example/wrong.txt", bytes: 3, mediaType: "text/plain" };
    const before = { ...envelope(8001, 81), text: "look\n[file: wrong.txt, 3 bytes]", attachments: [file] };
    const edit = (text: string, attachments: readonly (typeof file)[]) =>
      database.transaction((tx) => inbox.edited(tx, { ...before, text, attachments }));
    const files = () => database.query("select attachments from turns where message_id = 8001");
    await inbox.keep(before, "mention");
    await inbox.take(1);
    await edit("look", []);
    const [again] = await inbox.take(1);
    expect(again?.envelope).toMatchObject({ text: "look", attachments: [] });
    await inbox.finish(again!, null, nothing);
    expect(await files()).toEqual([{ attachments: [] }]);
    await database.query("update turns set finished_at = now() - interval '61 s' where message_id = 8001");
    await database.transaction((tx) => inbox.deleted(tx, ["8001"]));
    await edit(before.text, [file]);
    expect(await files()).toEqual([{ attachments: null }]);
  });

  it("counts what each agent has used today, and not what it used before", async () => {
    const tokens = { inputTokens: 100, outputTokens: 20, cachedTokens: 50 };
    const receipt = { agent: "nova", model: "m", promptRevision: "r", tokens } as never;
    for (const id of [7001, 7002]) {
      await inbox.keep(envelope(id, id), "mention");
      const [turn] = await inbox.take(1);
      await inbox.saveDraft(turn!, { text: "an answer", receipt }, []);
      await inbox.finish(turn!, receipt, nothing);
    }
    expect(await inbox.tokensToday()).toEqual(new Map([["nova", 240]]));
    await database.query("update turns set finished_at = now() - interval '1 day' where message_id = 7001");
    expect(await inbox.tokensToday()).toEqual(new Map([["nova", 120]]));
  });

  it("reports what the model left unanswered: until it is answered, and for a minute when it was given up", async () => {
    await inbox.keep(envelope(9001, 91), "mention");
    const withoutModel = async () => (await inbox.report()).withoutModel;
    const reason = "model_unavailable: the API answered 503";
    const [first] = await inbox.take(1);
    expect(await withoutModel()).toBe(0);
    await inbox.defer(first!, { afterMs: 0, reason, fault: true });
    expect(await withoutModel()).toBe(1);
    const [second] = await inbox.take(1);
    expect(await withoutModel()).toBe(1);
    await inbox.bury(second!, reason, "c3d4");
    expect(await withoutModel()).toBe(1);
    await database.query("update turns set finished_at = now() - interval '61 seconds' where message_id = 9001");
    expect(await withoutModel()).toBe(0);
    await database.query("delete from turns where message_id = 9001");
  });

  it("reports what waits and what was given up, with its reference", async () => {
    await inbox.keep(envelope(6001, 61), "mention");
    const [turn] = await inbox.take(1);
    expect(await inbox.report()).toMatchObject({ waiting: 1, buried: 0 });
    await inbox.bury(turn!, "model_misconfigured", "a1b2");
    expect(await inbox.report()).toMatchObject({ waiting: 0, buried: 1, lastBuried: [{ reference: "a1b2" }] });
  });
});

/** What any of the processes on a server does about the turns of one that has not been heard of for longer than a heartbeat. */
async function findDead(database: Database): Promise<void> {
  await database.query("update pgboss.job set heartbeat_on = now() - interval '61 seconds' where state = 'active'");
  await supervise(database);
}
