import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Ask, Limits } from "../../src/resilience/rate-limits.ts";
import { describeUnless } from "../servers/databases.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { askRedis, whyNoOwnRedis } from "../servers/shared.ts";
import { joinFleet } from "./one-of-a-fleet.ts";

const signal = new AbortController().signal;
const patience = { timeout: 30_000, interval: 50 };
const ask = (id: string): Ask => ({ id, bucket: "flash", tokens: 1, priority: "mention", scope: "1" });
const fifteen: Limits = { requestsPerMinute: 15, tokensPerMinute: null, requestsPerDay: null };
const grantsKey = "discord-agent:limits:flash:grants";

describeUnless(await whyNoOwnRedis(), "limits whose Redis goes away", () => {
  const open: (() => Promise<unknown>)[] = [];
  let server: RedisServer;
  const join = async () => {
    const one = await joinFleet(server.url, fifteen);
    open.push(one.leave);
    return one;
  };
  beforeEach(async () => {
    server = await startRedis();
    open.push(() => server.close());
  });
  afterEach(async () => {
    for (const close of open.splice(0).toReversed()) await close();
  });

  it("go on with shares that together are never more than the limit, also when it comes back empty", async () => {
    const fleet = [await join(), await join(), await join()];
    let granted = 0;
    const takeWhereEver = async () => {
      for (const [i, { limits }] of fleet.entries()) {
        const one = ask(`${i} ${granted}`);
        if ((await limits.take(one, signal)).granted) granted += 1;
        else await limits.leave(one);
      }
    };
    await vi.waitFor(async () => {
      await takeWhereEver();
      expect(granted).toBeGreaterThanOrEqual(6);
    }, patience);
    // Everybody knows of everybody.
    const knows = async () =>
      Promise.all(fleet.map(async ({ limits }) => (await limits.check?.(signal))?.details?.["processes"]));
    await vi.waitFor(async () => expect(await knows()).toEqual([3, 3, 3]), patience);
    await server.kill();
    await vi.waitFor(
      () => expect(fleet.map(({ redis }) => redis.cache.isOpen())).toEqual([false, false, false]),
      patience,
    );
    const before = granted;
    for (let round = 0; round < 8; round += 1) await takeWhereEver();
    expect(granted, "somebody is let through").toBeGreaterThan(before);
    expect(granted).toBeLessThanOrEqual(15);
    await server.start();
    await vi.waitFor(async () => {
      await takeWhereEver();
      const shared = await Promise.all(
        fleet.map(async ({ limits }) => (await limits.check?.(signal))?.details?.["shared"]),
      );
      expect(shared).toEqual([true, true, true]);
    }, patience);
    await vi.waitFor(async () => {
      await takeWhereEver();
      expect(granted).toBe(15);
    }, patience);
    for (let round = 0; round < 8; round += 1) await takeWhereEver();
    expect(granted).toBe(15);
  });

  it("keep to what the provider said meanwhile when it is back, whoever heard it", async () => {
    const [one, other] = [await join(), await join()];
    await server.kill();
    await vi.waitFor(() => expect(one.redis.cache.isOpen()).toBe(false), patience);
    await one.limits.block("flash", Date.now() + 600_000, "requests_per_day", signal);
    await server.start();
    const shared = async () => (await one.limits.check?.(signal))?.details?.["shared"];
    await vi.waitFor(async () => expect(await shared()).toBe(true), patience);
    await vi.waitFor(async () => {
      const answer = await other.limits.take(ask("of the other"), signal);
      // Not for the five seconds in which everybody tells what it was granted.
      expect(answer).toMatchObject({ granted: false, reason: "requests_per_day" });
    }, patience);
    expect(await other.limits.estimateMs(ask("of the other"), 0, signal)).toBeGreaterThan(500_000);
  });

  it.each([
    ["by Redis", false],
    ["without Redis", true],
  ])("count a call from when it arrived, also when Redis is away then: one that was granted %s", async (_, isAlone) => {
    const { limits, redis } = await join();
    const goAway = async () => {
      await server.kill();
      await vi.waitFor(() => expect(redis.cache.isOpen()).toBe(false), patience);
    };
    let grantedAt = 0;
    const take = () =>
      vi.waitFor(async () => {
        grantedAt = Date.now();
        const answer = await limits.take(ask("one"), signal);
        if (!answer.granted) throw new Error("it is not granted yet");
        return answer.ticket;
      }, patience);
    if (isAlone) {
      await limits.leave(ask(await take()));
      await goAway();
    }
    const ticket = await take();
    if (!isAlone) await goAway();
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(grantedAt + 1_000), patience);
    const arrivedAt = Date.now();
    await limits.arrived("flash", ticket, signal).catch(() => {});
    await server.start();
    await vi.waitFor(async () => {
      const reply = await askRedis(server.url, "ZRANGE", grantsKey, "0", "-1", "WITHSCORES");
      const scores = [...reply.matchAll(/^\d{13}$/gm)].map(Number);
      // By the clock of Redis, which is this machine's.
      expect(Math.max(...scores)).toBeGreaterThanOrEqual(arrivedAt - 50);
    }, patience);
  });
});
