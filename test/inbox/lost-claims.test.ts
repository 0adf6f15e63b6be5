import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { pino } from "pino";
import { openPostgres, type Database } from "../../src/connections/postgres.ts";
import { migrate } from "../../src/connections/migrate.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import type { Turn } from "../../src/inbox/turns.ts";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { envelope } from "./envelopes.ts";
import { byItself } from "./by-itself.ts";

const log = pino({ level: "silent" });
const patience = { timeout: 30_000, interval: 50 };

describeUnless(await whyNoOwnPostgres(), "a turn that was taken up when Postgres crashed", () => {
  let server: PostgresServer;
  let database: Database;
  let inbox: Inbox;
  beforeAll(async () => {
    // What is committed without waiting for the disk stays in the server's memory, until a commit that waits.
    server = await startPostgres({ settings: { wal_writer_delay: "10s" } });
    const { url } = await server.createDatabase();
    database = await openPostgres({ url, poolMin: 0, poolMax: 4, onIdleError: () => {} });
    await migrate(database);
    inbox = makeInbox({ ...byItself, database, alone: false, log });
    await inbox.start(AbortSignal.timeout(30_000), () => {});
  });
  afterAll(async () => {
    await inbox.stop(AbortSignal.timeout(1_000));
    await database.close();
    await server.close();
  });

  let heard = 0;
  /** Takes a turn up and crashes Postgres, until the crash has lost that: a commit of the queue's own brings it to the disk now and then. */
  const loseClaim = async (): Promise<Turn> => {
    for (;;) {
      heard += 1;
      await inbox.keep(envelope(heard), "mention");
      const [taken] = await inbox.take(1);
      await server.kill();
      await server.start();
      const attempts = "select attempts from turns where message_id = $1";
      const [row] = await vi.waitUntil(() => database.query(attempts, [heard]).catch(() => false as const), patience);
      if (row?.["attempts"] === 0 && taken !== undefined) return taken;
      if (taken !== undefined) await inbox.finish(taken, null, async () => {});
    }
  };

  it("is taken up again, and who held it before changes nothing, although both are its first attempt", async () => {
    const lost = await loseClaim();
    const [again] = await inbox.take(1);
    expect([lost.attempts, again?.attempts]).toEqual([1, 1]);

    const draft = (text: string) => ({ text, receipt: { agent: "nova", model: "m", promptRevision: "r" } as never });
    await expect(inbox.saveDraft(lost, draft("of a claim that is lost"), [])).rejects.toMatchObject({
      code: "turn_taken_over",
    });
    await inbox.saveDraft(again!, draft("the answer"), []);
    await expect(inbox.finish(lost, null, async () => {})).rejects.toMatchObject({ code: "turn_taken_over" });
    await inbox.finish(again!, null, async () => {});
    expect(await database.query("select state, draft from turns where message_id = $1", [heard])).toEqual([
      { state: "answered", draft: "the answer" },
    ]);
  });

  it("is nobody's until it is taken up again", async () => {
    const lost = await loseClaim();
    await expect(inbox.beginSpeaking(lost)).rejects.toMatchObject({ code: "turn_taken_over" });
    const [again] = await inbox.take(1);
    await inbox.finish(again!, null, async () => {});
  });
});
