import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { makeConsumer } from "../../src/inbox/consumer.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { describeOnBothDatabases } from "../servers/databases.ts";
import { envelope } from "./envelopes.ts";
import { byItself } from "./by-itself.ts";

const log = pino({ level: "silent" });

await describeOnBothDatabases("the consumer", ({ open, alone }) => {
  it("takes up what waits as soon as a lane is free, however often it looked while none was", async () => {
    const database = await open();
    const inbox = makeInbox({ ...byItself, database, alone, log });
    const gate = Promise.withResolvers<void>();
    const taken: string[] = [];
    const consumer = makeConsumer({
      inbox,
      answer: async (turn) => {
        taken.push(turn.envelope.messageId);
        await gate.promise;
        await inbox.finish(turn, null, async () => {});
      },
      giveUp: async () => {},
      lanes: 2,
      turnDeadlineMs: 30_000,
      // No look but those for a message that was kept and for a lane that became free.
      pollMs: 3_600_000,
      onStop: () => {},
      log,
    });
    const running = new AbortController();
    for (const part of [inbox, consumer]) await part.start(running.signal, () => {});
    for (const id of [1, 2]) await inbox.keep(envelope(id, id), "mention");
    await vi.waitFor(() => expect(taken).toEqual(["1", "2"]), { timeout: 5_000 });
    for (const id of [3, 4, 5]) await inbox.keep(envelope(id, id), "mention");
    expect(taken).toHaveLength(2);
    gate.resolve();
    await consumer.drained(AbortSignal.timeout(5_000));
    expect(taken).toEqual(["1", "2", "3", "4", "5"]);
    for (const part of [consumer, inbox]) await part.stop(AbortSignal.timeout(5_000));
    await database.close();
  });
});
