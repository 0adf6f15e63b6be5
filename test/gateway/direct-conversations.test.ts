import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DiscordRefused } from "../../src/discord/failures.ts";
import type { DiscordRest } from "../../src/discord/rest.ts";
import { snowflakeAt } from "../../src/envelope.ts";
import type { Lease } from "../../src/gateway/leases.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { openShard, type OneShard } from "./one-shard.ts";

const ready = { kind: "ready", userId: "77", applicationId: "10", sessionId: "s", resumeUrl: "wss://x" } as const;

describe("after a session that could not be resumed, direct conversations", () => {
  let shard: OneShard;
  let lease: Lease;
  beforeAll(async () => {
    shard = await openShard();
    lease = await shard.take("test");
  });
  afterAll(() => shard.close());
  beforeEach(() => shard.database.query("delete from channels"));

  /** So many are known, the first the one that has been quiet for longest; resolves to what a new session finds in them. */
  const beginAnew = async (known: number) => {
    const now = Date.now();
    const missed = {
      id: snowflakeAt(now),
      timestamp: new Date(now).toISOString(),
      author: { id: "5", username: "ann" },
      content: "are you there?",
    };
    await shard.database.query(
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
    const store = shard.makeStore({
      rest: { call: call as DiscordRest["call"], stopped: () => null, now: () => now },
      metrics,
      log: pino({ level: "warn" }, { write: (line) => void lines.push(JSON.parse(line) as never) }),
    });
    const progress = { sessionId: "s", resumeUrl: "wss://x", watermark: known };
    await store(lease, [ready], progress, AbortSignal.timeout(30_000));
    const events = (await metrics.registry.getSingleMetric("discord_agent_gateway_events_total")?.get())?.values ?? [];
    const tooMany = events.find(({ labels }) => labels["status"] === "missed_too_many")?.value;
    const heard = await shard.database.query("select channel_id, text from turns");
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
