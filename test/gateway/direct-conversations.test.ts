import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { DiscordRefused, type DiscordRest } from "../../src/discord/rest.ts";
import { makePlaces } from "../../src/discord/places.ts";
import { snowflakeAt } from "../../src/envelope.ts";
import { makeHearing } from "../../src/gateway/hearing.ts";
import { makeLeases, type Lease } from "../../src/gateway/leases.ts";
import { makeInbox, type Inbox } from "../../src/inbox/inbox.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { byItself } from "../inbox/by-itself.ts";
import { revise } from "./revise.ts";

const silent = pino({ level: "silent" });
const ready = { kind: "ready", userId: "77", applicationId: "10", sessionId: "s", resumeUrl: "wss://x" } as const;

describe("after a session that could not be resumed, direct conversations", () => {
  let database: Database;
  let inbox: Inbox;
  let lease: Lease;
  beforeAll(async () => {
    database = await openFreshDatabase();
    inbox = makeInbox({ ...byItself, database, alone: true, log: silent });
    await inbox.start(new AbortController().signal, () => {});
    const leases = makeLeases({ database, owner: "test", leaseMs: 3_600_000 });
    await leases.ensure(1);
    const held = await leases.acquire([]);
    if (held === null) throw new Error("nobody else holds the shard");
    lease = held;
  });
  afterAll(async () => {
    await inbox.stop(AbortSignal.timeout(5_000));
    await database.close();
  });
  beforeEach(() => database.query("delete from channels"));

  /** So many are known, the first the one that has been quiet for longest; resolves to what a new session finds in them. */
  const beginAnew = async (known: number) => {
    const now = Date.now();
    const missed = {
      id: snowflakeAt(now),
      timestamp: new Date(now).toISOString(),
      author: { id: "5", username: "ann" },
      content: "are you there?",
    };
    await database.query(
      `insert into channels (channel_id, kind, name, heard_until)
       select 1000 + n, 'direct', 'unnamed', $2::bigint + n from generate_series(1, $1::int) n`,
      [known, snowflakeAt(now - 1_800_000)],
    );
    const asked: string[] = [];
    let [underWay, most] = [0, 0];
    const call = async ({ path }: { readonly path: string }) => {
      const channel = path.split("/")[2] ?? "";
      asked.push(channel);
      underWay += 1;
      most = Math.max(most, underWay);
      await Promise.resolve();
      underWay -= 1;
      // One that is gone keeps nobody from being answered.
      if (channel === "1002") throw new DiscordRefused(10_003, "unknown channel");
      return channel === "1001" ? [{ ...missed, channel_id: channel }] : [];
    };
    const lines: Record<string, unknown>[] = [];
    const metrics = makeMetrics();
    const store = makeHearing({
      database,
      inbox,
      places: makePlaces(database, byItself.notices, 0),
      rest: { call: call as DiscordRest["call"], stopped: () => null, now: () => now },
      self: () => ({ userId: "77", voices: new Map() }),
      guildId: null,
      backfillMs: 3_600_000,
      maxMessageChars: 8_000,
      interact: async () => null,
      revise,
      metrics,
      log: pino({ level: "warn" }, { write: (line) => void lines.push(JSON.parse(line) as never) }),
    });
    const progress = { sessionId: "s", resumeUrl: "wss://x", watermark: known };
    await store(lease, [ready], progress, AbortSignal.timeout(30_000));
    const events = (await metrics.registry.getSingleMetric("discord_agent_gateway_events_total")?.get())?.values ?? [];
    const tooMany = events.find(({ labels }) => labels["status"] === "missed_too_many")?.value;
    const heard = await database.query("select channel_id, text from turns");
    return { asked, most, tooMany, heard, left: lines.filter(({ msg }) => /left out/.test(String(msg))) };
  };

  it("are all looked through, several at once: who wrote in the one that was quiet for longest is answered", async () => {
    const { asked, most, tooMany, heard, left } = await beginAnew(150);
    expect([new Set(asked).size, asked.length, most]).toEqual([150, 150, 5]);
    expect(heard).toEqual([{ channel_id: "1001", text: "are you there?" }]);
    expect([tooMany, left]).toEqual([0, []]);
  });

  it("beyond the thousand that were active last are counted, and logged once", async () => {
    const { asked, tooMany, left } = await beginAnew(1_003);
    expect([asked.length, Math.min(...asked.map(Number))]).toEqual([1_000, 1_004]);
    expect([tooMany, left]).toEqual([3, [expect.objectContaining({ directConversations: 3 })]]);
  });
});
