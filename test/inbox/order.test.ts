import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { pino } from "pino";
import type { Database } from "../../src/connections/postgres.ts";
import type { Envelope } from "../../src/envelope.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import type { Turn } from "../../src/inbox/turns.ts";
import { describeOnBothDatabases } from "../servers/databases.ts";
import { envelope } from "./envelopes.ts";
import { byItself } from "./by-itself.ts";

const log = pino({ level: "silent" });
const nothing = async () => {};
const draft = { text: "an answer", receipt: { agent: "nova", model: "m", promptRevision: "r" } as never };
const noah = { author: { id: "6", name: "Noah", kind: "person" } } as const;

await describeOnBothDatabases("the order of a conversation", ({ open, alone }) => {
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
  beforeEach(() => {
    conversation += 1;
  });
  /** What Mia says, unless told otherwise. */
  const said = (n: number, over: Partial<Envelope> = {}) => ({
    ...envelope(conversation * 100 + n, conversation),
    ...over,
  });
  const next = async (): Promise<Turn> => {
    const [turn] = await inbox.take(1);
    if (turn === undefined) throw new Error("nothing can be taken up");
    return turn;
  };
  /** Answers all that can be taken up now; resolves to the messages in the order in which that was done. */
  const answerAll = async () => {
    const parts: number[][] = [];
    for (let turns = await inbox.take(1); turns.length > 0; turns = await inbox.take(1)) {
      for (const turn of turns) {
        parts.push(turn.parts.map(({ messageId }) => Number(messageId) - conversation * 100));
        await inbox.saveDraft(turn, draft, []);
        await inbox.finish(turn, null, nothing);
      }
    }
    return parts;
  };
  const edit = (one: Envelope) => database.transaction((tx) => inbox.edited(tx, { ...one, text: "in other words" }));

  it("is kept when somebody calls while more is waited for of another", async () => {
    await inbox.keep(said(1), "reply");
    await inbox.keep(said(2, noah), "mention");
    expect(await answerAll()).toEqual([[1], [2]]);
  });

  it("is kept when what several people wrote comes at once", async () => {
    const heard = [
      { envelope: said(1), priority: "reply" as const },
      { envelope: said(2), priority: "reply" as const },
      { envelope: said(3, noah), priority: "reply" as const },
      { envelope: said(4), priority: "mention" as const },
    ];
    await database.transaction((tx) => inbox.keepAll(tx, heard));
    expect(await answerAll()).toEqual([[1, 2], [3], [4]]);
  });

  it("is kept when a message is edited that is being answered", async () => {
    await inbox.keep(said(1), "mention");
    await inbox.keep(said(2, noah), "mention");
    expect((await next()).envelope.messageId).toBe(said(1).messageId);
    await edit(said(1));
    expect(await answerAll()).toEqual([[1], [2]]);
  });

  it("is kept when a message is edited that was answered a moment ago", async () => {
    await inbox.keep(said(1), "mention");
    expect(await answerAll()).toEqual([[1]]);
    await inbox.keep(said(2, noah), "mention");
    await edit(said(1));
    expect(await answerAll()).toEqual([[1], [2]]);
  });

  it("is kept when a message is edited that turns to the bot only now, while more is waited for of another", async () => {
    const talk = said(2, { ...noah, addressed: false });
    await inbox.keep(talk, "ambient");
    await inbox.ignore(await next(), "not addressed", nothing);
    await inbox.keep(said(1), "reply");
    await edit({ ...talk, addressed: true });
    expect(await answerAll()).toEqual([[1], [2]]);
  });

  it("is kept when somebody is forgotten while a message is being answered", async () => {
    await inbox.keep(said(1), "mention");
    await inbox.keep(said(2, noah), "mention");
    await next();
    expect(await database.transaction((tx) => inbox.beginAnew(tx, ["7"]))).toHaveLength(1);
    expect(await answerAll()).toEqual([[1], [2]]);
  });

  it("is kept when the first of what is answered together is deleted", async () => {
    for (const n of [1, 2, 3]) await inbox.keep(said(n), "reply");
    await inbox.keep(said(4), "mention");
    await inbox.keep(said(5, noah), "mention");
    expect((await next()).parts).toHaveLength(4);
    await database.transaction((tx) => inbox.deleted(tx, [said(1).messageId]));
    expect(await answerAll()).toEqual([[2, 3, 4], [5]]);
  });
});
