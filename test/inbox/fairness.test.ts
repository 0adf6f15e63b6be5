import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import type { Turn } from "../../src/inbox/turns.ts";
import { describeOnBothDatabases } from "../servers/databases.ts";
import { byItself } from "./by-itself.ts";
import { envelope } from "./envelopes.ts";

const lanes = 4;

await describeOnBothDatabases("guilds that want much and little", ({ open, alone }) => {
  let database: Database;
  let inbox: Inbox;
  beforeAll(async () => {
    database = await open();
    inbox = makeInbox({ ...byItself, database, alone, log: pino({ level: "silent" }) });
    await inbox.start(AbortSignal.timeout(30_000), () => {});
  });
  afterAll(async () => {
    await inbox.stop(AbortSignal.timeout(1_000));
    await database.close();
  });

  it("five messages of one are not behind a thousand of another; lanes that are left are the busy one's", async () => {
    const said = (id: number, guildId: string, conversation: number) => ({
      envelope: { ...envelope(id, conversation), guildId },
      priority: "mention" as const,
    });
    const many = Array.from({ length: 1_000 }, (_, i) => said(1_000 + i, "7", 1 + (i % 50)));
    const few = Array.from({ length: 5 }, (_, i) => said(5_000 + i, "8", 100 + i));
    await database.transaction((tx) => inbox.keepAll(tx, many));
    const inFlight: Turn[] = [];
    const fill = async () => {
      while (inFlight.length < lanes) {
        const turns = await inbox.take(lanes - inFlight.length);
        if (turns.length === 0) return;
        inFlight.push(...turns);
      }
    };
    const finishOne = async () => {
      const turn = inFlight.shift();
      if (turn === undefined) throw new Error("nothing is answered, and something waits");
      await inbox.finish(turn, null, async () => {});
      return turn.envelope.guildId;
    };
    await fill();
    expect(inFlight, "nobody else is there: all lanes are theirs").toHaveLength(lanes);
    await database.transaction((tx) => inbox.keepAll(tx, few));
    let finished = 0;
    for (let left = few.length; left > 0; finished += 1) {
      if ((await finishOne()) === "8") left -= 1;
      await fill();
    }
    expect(finished, "how many were answered before the last of the five was").toBeLessThanOrEqual(20);
  });
});
