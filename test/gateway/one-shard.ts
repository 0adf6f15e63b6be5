import { pino } from "pino";
import { expect } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { makePlaces } from "../../src/discord/places.ts";
import { makeHearing, type HearingOptions } from "../../src/gateway/hearing.ts";
import { makeLeases, type Lease } from "../../src/gateway/leases.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { byItself } from "../inbox/by-itself.ts";
import { revise } from "./revise.ts";

const log = pino({ level: "silent" });
const leaseMs = 3_600_000;

/** What stores the events of a shard, on a database of its own, without a gateway and without Discord. */
export interface OneShard {
  readonly database: Database;
  /** Takes the shard, which nobody may hold. */
  take(owner: string): Promise<Lease>;
  release(owner: string, lease: Lease): Promise<void>;
  /** Looks nothing up on Discord unless told otherwise. */
  makeStore(over?: Partial<HearingOptions>): ReturnType<typeof makeHearing>;
  close(): Promise<void>;
}

export async function openShard(): Promise<OneShard> {
  const database = await openFreshDatabase();
  const inbox = makeInbox({ ...byItself, database, alone: true, log });
  await inbox.start(new AbortController().signal, () => {});
  return {
    database,
    take: async (owner) => {
      const leases = makeLeases({ database, owner, leaseMs });
      await leases.ensure(1);
      const lease = await leases.acquire([]);
      if (lease === null) throw new Error("somebody else holds the shard");
      return lease;
    },
    release: (owner, lease) => makeLeases({ database, owner, leaseMs }).release(lease),
    makeStore: (over = {}) =>
      makeHearing({
        database,
        inbox,
        places: makePlaces(database, byItself.notices, 0),
        rest: { call: async () => expect.unreachable("nothing is looked up"), stopped: () => null, now: Date.now },
        self: () => ({ userId: "77", voices: new Map() }),
        guildId: null,
        backfillMs: 3_600_000,
        maxMessageChars: 8_000,
        interact: async () => null,
        revise,
        metrics: makeMetrics(),
        log,
        ...over,
      }),
    close: async () => {
      await inbox.stop(AbortSignal.timeout(5_000));
      await database.close();
    },
  };
}
