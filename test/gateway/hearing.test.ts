import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { snowflakeAt } from "../../src/envelope.ts";
import { readDispatch, type Heard } from "../../src/gateway/dispatch.ts";
import type { Lease } from "../../src/gateway/leases.ts";
import { openShard, type OneShard } from "./one-shard.ts";

describe("what a shard hears", () => {
  let shard: OneShard;
  beforeAll(async () => {
    shard = await openShard();
  });
  afterAll(() => shard.close());

  const read = (t: string, d: object) => {
    const heard = readDispatch({ t, d });
    if (heard === null) throw new Error("it concerns us");
    return heard;
  };
  type Store = ReturnType<OneShard["makeStore"]>;
  const hear = (store: Store, lease: Lease, heard: Heard, watermark = 1) =>
    store(lease, [heard], { sessionId: "s", resumeUrl: "wss://x", watermark }, AbortSignal.timeout(5_000));

  const interactionOf = (id: string, type: number) => {
    const user = { id: "5", username: "ann" };
    return { id, application_id: "10", type, token: "x", data: { name: "ask" }, user };
  };
  it("is stored while what somebody types into a command has no suggestions yet, and waits for a command", async () => {
    const lease = await shard.take("test");
    const answered: string[] = [];
    const gate = Promise.withResolvers<null>();
    const store = shard.makeStore({
      interact: async ({ id }) => {
        await gate.promise;
        answered.push(id);
        return null;
      },
    });
    const watermark = async () =>
      (await shard.database.query<{ watermark: string }>("select watermark from shards"))[0];
    const interaction = (id: string, type: number, sequence: number) =>
      hear(store, lease, read("INTERACTION_CREATE", interactionOf(id, type)), sequence);
    await interaction("1", 4, 1);
    expect(await watermark()).toEqual({ watermark: "1" });
    const command = interaction("2", 2, 2);
    expect(await watermark()).toEqual({ watermark: "1" });
    gate.resolve(null);
    await command;
    expect(await watermark()).toEqual({ watermark: "2" });
    expect(answered.toSorted()).toEqual(["1", "2"]);
  });

  describe("by a process that has woken after another took over", () => {
    const view = "1024";
    const channel = (deny: string) => ({
      id: "20",
      type: 0,
      name: "staff",
      guild_id: "10",
      permission_overwrites: [{ id: "10", type: 0, allow: "0", deny }],
    });
    const guild = (channels: readonly object[]) => ({
      id: "10",
      name: "House",
      owner_id: "1",
      roles: [{ id: "10", permissions: view }],
      joined_at: "2020-01-01T00:00:00Z",
      channels,
    });
    const handOver = async (from: Lease) => {
      await shard.release("old", from);
      return shard.take("new");
    };
    const denied = async () => {
      const rows = await shard.database.query<{ overwrites: { deny: string }[] }>("select overwrites from channels");
      return rows.flatMap(({ overwrites }) => overwrites.map(({ deny }) => deny));
    };
    const fenced = { code: "shard_taken_over" };
    let old: Lease;
    beforeEach(async () => {
      await shard.database.query("delete from shards; delete from channels; delete from guilds");
      old = await shard.take("old");
    });

    it("does not change who may read a channel, although messages were missed in it", async () => {
      const store = shard.makeStore({ rest: { call: async <T>() => [] as T, stopped: () => null, now: Date.now } });
      await hear(store, old, read("GUILD_CREATE", guild([{ ...channel("0"), last_message_id: "1000" }])));
      const lease = await handOver(old);
      await hear(store, lease, read("CHANNEL_UPDATE", channel(view)), 2);
      const newest = snowflakeAt(Date.now());
      const late = read("GUILD_CREATE", guild([{ ...channel("0"), last_message_id: newest }]));
      await expect(hear(store, old, late, 2)).rejects.toMatchObject(fenced);
      expect(await denied()).toEqual([view]);
    });

    it("does not change it either when the channel was looked up meanwhile", async () => {
      const asked = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const places: Readonly<Record<string, unknown>> = {
        "/channels/20": channel("0"),
        "/guilds/10": guild([]),
        "/guilds/10/channels": [channel("0")],
        "/guilds/10/members/77": { roles: [] },
      };
      const store = shard.makeStore({
        rest: {
          call: async <T>({ path }: { path: string }) => {
            asked.resolve();
            await gate.promise;
            return places[path] as T;
          },
          stopped: () => null,
          now: Date.now,
        },
      });
      const author = { id: "5", username: "ann" };
      const message = {
        id: snowflakeAt(Date.now()),
        channel_id: "20",
        guild_id: "10",
        content: "hello",
        timestamp: "2026-11-23T00:00:00Z",
        author,
        type: 0,
      };
      const late = hear(store, old, read("MESSAGE_CREATE", message));
      await asked.promise;
      const lease = await handOver(old);
      await hear(store, lease, read("GUILD_CREATE", guild([channel(view)])));
      gate.resolve();
      await expect(late).rejects.toMatchObject(fenced);
      expect(await denied()).toEqual([view]);
    });

    it("does not do again what a command asked for", async () => {
      const store = shard.makeStore({ interact: async () => expect.unreachable("another has carried it out") });
      await handOver(old);
      await expect(hear(store, old, read("INTERACTION_CREATE", interactionOf("1", 2)))).rejects.toMatchObject(fenced);
    });
  });
});
