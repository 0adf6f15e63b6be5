import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeNotices } from "../../src/connections/notices.ts";
import { openPostgres, type Database } from "../../src/connections/postgres.ts";
import { makeConsumer } from "../../src/inbox/consumer.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";
import { envelope } from "./envelopes.ts";

const log = pino({ level: "silent" });

describeUnless(await whyNoPostgres(), "a message that one process keeps", () => {
  let place: Awaited<ReturnType<typeof createServerDatabase>>;
  let database: Database;
  const running: Component[] = [];
  beforeEach(async () => {
    place = await createServerDatabase("migrated");
    database = await openPostgres({ url: place.url, poolMin: 0, poolMax: 5, onIdleError: () => {} });
  });
  afterEach(async () => {
    for (const one of running.splice(0).toReversed()) await one.stop(AbortSignal.timeout(1_000));
    await database.close();
    await place.drop();
  });
  const start = async <T extends Component>(one: T): Promise<T> => {
    await one.start(AbortSignal.timeout(30_000), () => {});
    running.push(one);
    return one;
  };
  const join = async (role: string) => {
    const notices = await start(makeNotices({ url: place.url, role, log }));
    return start(makeInbox({ database, notices, alone: false, migrates: true, log }));
  };

  it("is taken up by another at once, by its call and not by the next look", async () => {
    const [gateway, worker] = [await join("gateway"), await join("worker")];
    const answered: string[] = [];
    await start(
      makeConsumer({
        inbox: worker,
        answer: async (turn) => {
          answered.push(turn.envelope.messageId);
          await worker.finish(turn, null, async () => {});
        },
        giveUp: async () => {},
        lanes: 1,
        turnDeadlineMs: 30_000,
        pollMs: 3_600_000,
        onStop: () => {},
        log,
      }),
    );
    // The look that it begins with has found nothing.
    await vi.waitFor(async () => expect(await worker.take(1)).toEqual([]));
    await gateway.keep(envelope(7, 1), "mention");
    await vi.waitFor(() => expect(answered).toEqual(["7"]), { timeout: 10_000 });
  });
});
