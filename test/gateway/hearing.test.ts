import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { makePlaces } from "../../src/discord/places.ts";
import { readDispatch } from "../../src/gateway/dispatch.ts";
import { makeHearing } from "../../src/gateway/hearing.ts";
import { makeLeases } from "../../src/gateway/leases.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { revise } from "./revise.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { byItself } from "../inbox/by-itself.ts";

const log = pino({ level: "silent" });

describe("what a shard hears", () => {
  let database: Database;
  let inbox: Inbox;
  beforeAll(async () => {
    database = await openFreshDatabase();
    inbox = makeInbox({ ...byItself, database, alone: true, log });
    await inbox.start(new AbortController().signal, () => {});
  });
  afterAll(async () => {
    await inbox.stop(AbortSignal.timeout(5_000));
    await database.close();
  });

  it("is stored while what somebody types into a command has no suggestions yet, and waits for a command", async () => {
    const leases = makeLeases({ database, owner: "test", leaseMs: 3_600_000 });
    await leases.ensure(1);
    const lease = await leases.acquire([]);
    if (lease === null) throw new Error("nobody else holds the shard");
    const answered: string[] = [];
    const gate = Promise.withResolvers<null>();
    const store = makeHearing({
      database,
      inbox,
      places: makePlaces(database, byItself.notices, 0),
      rest: { call: async () => expect.unreachable("nothing is looked up"), stopped: () => null, now: Date.now },
      self: () => ({ userId: "77", voices: new Map() }),
      guildId: null,
      backfillMs: 60_000,
      maxMessageChars: 8_000,
      interact: async ({ id }) => {
        await gate.promise;
        answered.push(id);
        return null;
      },
      revise,
      metrics: makeMetrics(),
      log,
    });
    const watermark = async () => (await database.query<{ watermark: string }>("select watermark from shards"))[0];
    const interaction = (id: string, type: number, sequence: number) => {
      const user = { id: "5", username: "ann" };
      const heard = readDispatch({
        t: "INTERACTION_CREATE",
        d: { id, application_id: "10", type, token: "x", data: { name: "ask" }, user },
      });
      if (heard === null) throw new Error("it concerns us");
      const progress = { sessionId: "s", resumeUrl: "wss://x", watermark: sequence };
      return store(lease, [heard], progress, AbortSignal.timeout(5_000));
    };
    await interaction("1", 4, 1);
    expect(await watermark()).toEqual({ watermark: "1" });
    const command = interaction("2", 2, 2);
    expect(await watermark()).toEqual({ watermark: "1" });
    gate.resolve(null);
    await command;
    expect(await watermark()).toEqual({ watermark: "2" });
    expect(answered.toSorted()).toEqual(["1", "2"]);
  });
});
