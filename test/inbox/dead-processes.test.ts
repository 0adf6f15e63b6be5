import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { pino } from "pino";
import type { Database } from "../../src/connections/postgres.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import { openServerDatabase } from "../connections/fresh-database.ts";
import { describeUnless } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";
import { envelope } from "./envelopes.ts";
import { byItself } from "./by-itself.ts";

const log = pino({ level: "silent" });
const patience = { timeout: 30_000, interval: 50 };

describeUnless(await whyNoPostgres(), "the inbox of several processes", () => {
  let database: Database;
  let dead: Inbox;
  let living: Inbox;
  beforeAll(async () => {
    database = await openServerDatabase();
    dead = makeInbox({ ...byItself, database, alone: false, log });
    living = makeInbox({ ...byItself, database, alone: false, log });
    await dead.start(AbortSignal.timeout(30_000), () => {});
    await living.start(AbortSignal.timeout(30_000), () => {});
    // From here on it looks after nothing, as a process that was killed.
    await dead.stop(AbortSignal.timeout(1_000));
  });
  afterAll(async () => {
    await living.stop(AbortSignal.timeout(1_000));
    await database.close();
  });

  it("puts back what a process that died had taken up, soon, and nothing that somebody still works on", async () => {
    await living.keep(envelope(1, 1), "mention");
    const [lost] = await dead.take(1);
    await living.keep(envelope(2, 2), "mention");
    const [kept] = await living.take(1);
    const beat = setInterval(() => void living.touch([kept!]), 500);
    const takenAt = Date.now();
    const woken = vi.fn<() => void>();
    living.onKept(woken);
    const again = await vi.waitUntil(async () => (await living.take(5))[0], patience);
    clearInterval(beat);

    expect(again).toMatchObject({ envelope: { messageId: "1" }, attempts: 2 });
    expect(Date.now() - takenAt).toBeLessThan(20_000);
    expect(woken).toHaveBeenCalled();
    await expect(dead.finish(lost!, null, async () => {})).rejects.toMatchObject({ code: "turn_taken_over" });
    await living.finish(again, null, async () => {});
    await living.finish(kept!, null, async () => {});
    expect(await living.take(5)).toEqual([]);
  });
});
