import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { pino } from "pino";
import type { Database } from "../../src/connections/postgres.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import type { Turn } from "../../src/inbox/turns.ts";
import { describeOnBothDatabases } from "../servers/databases.ts";
import { envelope } from "./envelopes.ts";
import { byItself } from "./by-itself.ts";

const log = pino({ level: "silent" });
const nothing = async () => {};
const patience = { timeout: 10_000, interval: 50 };
const draft = { text: "an answer", receipt: { agent: "nova", model: "m", promptRevision: "r" } as never };

await describeOnBothDatabases("messages that are answered together", ({ open, alone }) => {
  let database: Database;
  let inbox: Inbox;
  let conversation = 0;
  beforeAll(async () => {
    database = await open();
    inbox = makeInbox({ ...byItself, database, alone, log });
    await inbox.start(AbortSignal.timeout(30_000), () => {});
  });
  afterAll(async () => {
    await inbox.stop(AbortSignal.timeout(1_000));
    await database.close();
  });
  /** Three messages that one person wrote at once, in a conversation of their own: what each says, and the turn that they became. */
  const three = async () => {
    conversation += 1;
    const ids = [1, 2, 3].map((n) => conversation * 100 + n);
    for (const id of ids) await inbox.keep(envelope(id, conversation), "reply");
    const turn = await next();
    expect(wordsOf(turn)).toEqual(ids.map((id) => `message ${id}`));
    const [one = "", two = "", last = ""] = ids.map(String);
    return { one, two, last, turn };
  };
  const next = (): Promise<Turn> => vi.waitUntil(async () => (await inbox.take(1))[0], patience);
  const wordsOf = (turn: Turn) => turn.envelope.text.split("\n");
  const remove = (id: string) => database.transaction((tx) => inbox.deleted(tx, [id]));
  const edit = (id: string, text: string) =>
    database.transaction((tx) => inbox.edited(tx, { ...envelope(Number(id), conversation), text }));
  const isTakenOver = (work: Promise<unknown>) => expect(work).rejects.toMatchObject({ code: "turn_taken_over" });

  it("are answered without the first of them when that one is deleted meanwhile", async () => {
    const { one, two, last, turn } = await three();
    expect(await remove(one)).toMatchObject({ revoked: [{ messageId: one, isGone: true }], hasWork: true });
    await isTakenOver(inbox.saveDraft(turn, draft, []));
    const rest = await next();
    expect(rest.envelope.messageId).toBe(two);
    expect(wordsOf(rest)).toEqual([`message ${two}`, `message ${last}`]);
    await inbox.finish(rest, null, nothing);
    expect(await inbox.take(1)).toEqual([]);
  });

  it("are thought about anew without another of them when that one is deleted meanwhile", async () => {
    const { one, two, last, turn } = await three();
    expect(await remove(two)).toMatchObject({ revoked: [{ messageId: one, isGone: false }], hasWork: true });
    await isTakenOver(inbox.saveDraft(turn, draft, []));
    const again = await next();
    expect(wordsOf(again)).toEqual([`message ${one}`, `message ${last}`]);
    await inbox.finish(again, null, nothing);
    expect(await inbox.take(1)).toEqual([]);
  });

  it("are not held back any more when a call follows, whatever the clock of who hears it shows", async () => {
    conversation += 1;
    const [first, call] = [conversation * 100 + 1, conversation * 100 + 2];
    await inbox.keep(envelope(first, conversation), "reply");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
    try {
      await inbox.keep(envelope(call, conversation), "mention");
      const [turn] = await inbox.take(1);
      expect(turn?.parts.map(({ messageId }) => messageId)).toEqual([String(first), String(call)]);
      if (turn !== undefined) await inbox.finish(turn, null, nothing);
    } finally {
      vi.useRealTimers();
    }
  });

  it("keep their time when they wait for it, without the one that is deleted", async () => {
    const { one, two, last, turn } = await three();
    await inbox.defer(turn, { afterMs: 3_600_000, reason: "quota", fault: false });
    expect(await remove(two)).toMatchObject({ revoked: [], hasWork: false });
    expect(await inbox.take(1)).toEqual([]);
    await database.query("update pgboss.job set start_after = now() where state = 'retry'");
    const again = await next();
    expect(wordsOf(again)).toEqual([`message ${one}`, `message ${last}`]);
    await inbox.finish(again, null, nothing);
  });

  it("are nobody's any more when all of them are deleted", async () => {
    const { one, two, last, turn } = await three();
    await database.transaction((tx) => inbox.deleted(tx, [last, one, two]));
    await isTakenOver(inbox.saveDraft(turn, draft, []));
    expect(await inbox.take(1)).toEqual([]);
  });

  it("are thought about anew when one of them is edited meanwhile, and a minute later", async () => {
    const { one, two, last, turn } = await three();
    expect(await edit(two, "in other words")).toMatchObject({ revoked: { messageId: one, isGone: false } });
    await isTakenOver(inbox.saveDraft(turn, draft, []));
    const again = await next();
    expect(wordsOf(again)).toEqual([`message ${one}`, "in other words", `message ${last}`]);
    await inbox.saveDraft(again, draft, []);
    await inbox.finish(again, null, nothing);
    expect(await edit(last, "and again")).toMatchObject({ revoked: { messageId: one, isGone: false } });
    const third = await next();
    expect(wordsOf(third)).toEqual([`message ${one}`, "in other words", "and again"]);
    await inbox.finish(third, null, nothing);
    await database.query("update turns set finished_at = finished_at - interval '61 s'");
    expect(await edit(two, "too late")).toEqual({ isKnown: true, revoked: null });
    expect(await inbox.take(1)).toEqual([]);
  });

  it("and are answered again without what was deleted since", async () => {
    const { one, two, last, turn } = await three();
    await inbox.saveDraft(turn, draft, []);
    await inbox.finish(turn, null, nothing);
    expect(await remove(two)).toMatchObject({ revoked: [], hasWork: false });
    await edit(one, "what I meant");
    const again = await next();
    expect(wordsOf(again)).toEqual(["what I meant", `message ${last}`]);
    await inbox.finish(again, null, nothing);
  });

  it("are not superseded by another that follows when they are taken up: it is a turn of its own, and waits for theirs", async () => {
    const { turn } = await three();
    const late = conversation * 100 + 4;
    await inbox.keep(envelope(late, conversation), "reply");
    expect(await inbox.take(1)).toEqual([]);
    await inbox.saveDraft(turn, draft, []);
    await inbox.finish(turn, null, nothing);
    const after = await next();
    expect(wordsOf(after)).toEqual([`message ${late}`]);
    await inbox.finish(after, null, nothing);
  });
});
