import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { makePlaces } from "../../src/discord/places.ts";
import { makeDiscordRest, makeRefusalCounter } from "../../src/discord/rest.ts";
import { readDispatch, type Heard } from "../../src/gateway/dispatch.ts";
import { makeHearing } from "../../src/gateway/hearing.ts";
import { makeLeases, type Lease } from "../../src/gateway/leases.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { revise } from "./revise.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { mutated, samples } from "./payloads.ts";
import { randomFrom } from "../random.ts";
import { byItself } from "../inbox/by-itself.ts";
import { neverOpen } from "../resilience/unguarded.ts";

const canary = "canary-7f31";
const log = pino({ level: "silent" });

describe("whatever Discord sends", () => {
  it("is read or refused by an error that names the event and quotes nothing, 100,000 times", () => {
    const random = randomFrom(1);
    const events = samples(canary);
    let read = 0;
    const strange: unknown[] = [];
    for (let i = 0; i < 100_000; i += 1) {
      const { t, d } = events[i % events.length] ?? { t: "", d: {} };
      try {
        if (readDispatch({ t, d: mutated(d, random) }) !== null) read += 1;
      } catch (error) {
        const said = error instanceof Error ? error.message : "";
        if (!said.startsWith(`${t} is not what Discord documents`) || said.includes("canary")) strange.push(error);
      }
    }
    expect(strange).toEqual([]);
    expect(read, "hardly anything was read").toBeGreaterThan(20_000);
    expect(read, "nothing was refused").toBeLessThan(95_000);
  });

  describe("and can be read", () => {
    let database: Database;
    let simulator: DiscordSimulator;
    let lease: Lease;
    beforeAll(async () => {
      database = await openFreshDatabase();
      simulator = await startDiscordSimulator();
      const leases = makeLeases({ database, owner: "test", leaseMs: 3_600_000 });
      await leases.ensure(1);
      lease = (await leases.acquire([])) ?? { shard: -1, shardCount: 0, epoch: "0", session: null };
    });
    afterAll(async () => {
      await simulator.close();
      await database.close();
    });

    it("can be stored", async () => {
      const metrics = makeMetrics();
      const api = `${simulator.url}/api`;
      const rest = makeDiscordRest({
        processes: () => 1,
        breaker: neverOpen(),
        refusals: makeRefusalCounter(() => 1),
        name: "test",
        token: "sim-reception-token-0000",
        api,
        metrics,
        log,
      });
      const inbox = makeInbox({ ...byItself, database, alone: true, log });
      await inbox.start(new AbortController().signal, () => {});
      const store = makeHearing({
        database,
        inbox,
        places: makePlaces(database, byItself.notices, 0),
        rest,
        self: () => ({ userId: "77", voices: new Map() }),
        guildId: null,
        backfillMs: 60_000,
        metrics,
        maxMessageChars: 8_000,
        interact: async () => null,
        revise,
        log,
      });
      const random = randomFrom(2);
      const signal = AbortSignal.timeout(100_000);
      for (let i = 0; i < 2_000; i += 1) {
        const sample = samples(canary)[i % samples(canary).length];
        const heard = readOrNull(sample?.t ?? "", mutated(sample?.d, random));
        if (heard === null) continue;
        const progress = { sessionId: "s", resumeUrl: "wss://x", watermark: i };
        await store(lease, [heard], progress, signal);
      }
      const [stored] = await database.query<{ watermark: string }>("select watermark from shards");
      expect(Number(stored?.watermark)).toBeGreaterThan(1_900);
      await inbox.stop(signal);
    });
  });
});

function readOrNull(t: string, d: unknown): Heard | null {
  try {
    return readDispatch({ t, d });
  } catch {
    return null;
  }
}
