import { afterAll, beforeAll, expect, it } from "vitest";
import { pino } from "pino";
import type { Database } from "../../src/connections/postgres.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import { openServerDatabase } from "../connections/fresh-database.ts";
import { describeUnless } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import { byItself } from "./by-itself.ts";
import { envelope } from "./envelopes.ts";
import { supervise } from "./supervise.ts";

const log = pino({ level: "silent" });

describeUnless(await whyNoPostgres(), "the inbox, of turns that take as long as they may", () => {
  let database: Database;
  let inbox: Inbox;
  const open = async () => {
    inbox = makeInbox({ ...byItself, database, alone: false, log });
    await inbox.start(AbortSignal.timeout(30_000), () => {});
  };
  const close = () => inbox.stop(AbortSignal.timeout(1_000));
  beforeAll(async () => {
    database = await openServerDatabase();
    await open();
  });
  afterAll(async () => {
    await close();
    await database.close();
  });
  /** Takes up a turn, lets it live for the largest TURN_DEADLINE_SECONDS, and then ends it; resolves to what others could take up meanwhile. */
  const answerSlowly = async () => {
    const [turn] = await inbox.take(1);
    await database.query("update pgboss.job set started_on = now() - interval '5400 seconds' where state = 'active'");
    await inbox.touch([turn!]);
    await supervise(database);
    const again = await inbox.take(1);
    await inbox.finish(turn!, null, async () => {});
    return again;
  };

  it("takes away none that lives", async () => {
    await inbox.keep(envelope(1), "mention");
    expect(await answerSlowly()).toEqual([]);
  });

  it("takes away none from a queue either that an older release has made, with what waits in it", async () => {
    await inbox.keep(envelope(2, 2), "mention");
    await database.query("update pgboss.queue set expire_seconds = 900");
    await database.query("update pgboss.job set expire_seconds = 900");
    await close();
    await open();
    expect(await answerSlowly()).toEqual([]);
    await inbox.keep(envelope(3, 3), "mention");
    expect(await answerSlowly()).toEqual([]);
  });
});
