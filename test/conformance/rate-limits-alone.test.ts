import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Ask, Limits } from "../../src/resilience/rate-limits.ts";
import { makeTurnstile } from "../../src/resilience/turnstile.ts";
import { describeUnless } from "../servers/databases.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { askRedis, whyNoOwnRedis } from "../servers/shared.ts";
import { joinFleet } from "./one-of-a-fleet.ts";

const signal = new AbortController().signal;
const patience = { timeout: 30_000, interval: 50 };
const none: Limits = { requestsPerMinute: null, tokensPerMinute: null, requestsPerDay: null };
let callers = 0;
const ask = (over: Partial<Ask> = {}): Ask => {
  callers += 1;
  return { id: `caller ${callers}`, bucket: "flash", tokens: 1, priority: "mention", scope: "1", ...over };
};

describeUnless(await whyNoOwnRedis(), "limits of a fleet that loses its Redis", () => {
  const open: (() => Promise<unknown>)[] = [];
  let server: RedisServer;

  type One = Awaited<ReturnType<typeof join>>;
  const join = async (limits: Limits, now = () => Date.now()) => {
    const one = await joinFleet(server.url, limits, now);
    open.push(one.leave);
    return one;
  };
  const take = async ({ limits }: One, over: Partial<Ask> = {}) => {
    const one = ask(over);
    const { granted } = await limits.take(one, signal);
    if (!granted) await limits.leave(one);
    return granted ? 1 : 0;
  };
  const takeAll = async (one: One, most = 100) => {
    let granted = 0;
    while (granted < most && (await take(one)) === 1) granted += 1;
    return granted;
  };
  const detail = async (fleet: readonly One[], name: string) =>
    Promise.all(fleet.map(async ({ limits }) => (await limits.check?.(signal))?.details?.[name]));
  /** So many processes that know of each other, and may be granted something. */
  const openFleet = async (processes: number, limits: Limits) => {
    const fleet = await Promise.all(Array.from({ length: processes }, () => join(limits)));
    await vi.waitFor(
      async () => expect(await detail(fleet, "processes")).toEqual(fleet.map(() => processes)),
      patience,
    );
    const mayGoOn = ({ shared }: One) => {
      const { requests = 0, tokens = 0, today = 0 } = shared.remembered("flash").allowance ?? {};
      return requests > 0 && tokens > 0 && today > 0;
    };
    await vi.waitFor(() => expect(fleet.every(mayGoOn)).toBe(true), patience);
    return fleet;
  };
  const lose = async (fleet: readonly One[]) => {
    await server.kill();
    await vi.waitFor(async () => expect(await detail(fleet, "shared")).toEqual(fleet.map(() => false)), patience);
  };
  const regain = async (fleet: readonly One[]) => {
    await server.start();
    await vi.waitFor(async () => expect(await detail(fleet, "shared")).toEqual(fleet.map(() => true)), patience);
  };
  const takeWherever = async (fleet: readonly One[]) => {
    let granted = 0;
    for (const one of fleet) granted += await takeAll(one);
    return granted;
  };
  const use = async (settings: Readonly<Record<string, string>> = {}) => {
    server = await startRedis(settings);
    open.push(() => server.close());
  };
  beforeEach(() => use());
  afterEach(async () => {
    for (const close of open.splice(0).toReversed()) await close();
  });

  it("keep to the limit of the day, which is not dealt anew", async () => {
    const fleet = await openFleet(3, { ...none, requestsPerDay: 12 });
    let granted = 0;
    await vi.waitFor(async () => {
      for (const one of fleet) granted += granted < 12 ? await take(one) : 0;
      expect(granted).toBe(12);
    }, patience);
    await lose(fleet);
    expect(await takeWherever(fleet), "after all twelve of the day").toBe(0);
  });

  it("share what is left of the day, once, however often Redis goes and comes", async () => {
    const fleet = await openFleet(3, { ...none, requestsPerDay: 30 });
    let granted = 0;
    for (const one of fleet) granted += await take(one);
    await vi.waitFor(async () => expect((granted += await take(fleet[0] as One))).toBe(6), patience);
    await lose(fleet);
    const alone = await takeWherever(fleet);
    expect(alone, "nobody is let through").toBeGreaterThan(6);
    granted += alone;
    for (let flap = 0; flap < 2; flap += 1) {
      await regain(fleet);
      await lose(fleet);
      granted += await takeWherever(fleet);
    }
    expect(granted).toBeLessThanOrEqual(30);
  });

  it("are not taken to be used up for the day by a process of which nothing was kept for it: it goes on as soon as Redis is back", async () => {
    const fleet = await openFleet(2, { ...none, requestsPerDay: 30 });
    // Of the day all is kept for those two.
    const newcomer = await join({ ...none, requestsPerDay: 30 });
    await lose([...fleet, newcomer]);
    expect(await take(newcomer)).toBe(0);
    expect(await newcomer.limits.estimateMs(ask(), 3, signal), "hours, until midnight").toBe(61_000);
    const passage = makeTurnstile(newcomer.limits, 70_000, () => Date.now()).enter(ask(), () => {}, signal);
    const regainedAt = regain([...fleet, newcomer]).then(() => Date.now());
    expect(await passage).toMatchObject({ admitted: true });
    expect(Date.now() - (await regainedAt), "long after it was back").toBeLessThan(15_000);
  });

  it("never exceed a minute's limit, also when one of them has just taken all that was free", async () => {
    const fleet = await openFleet(3, { ...none, requestsPerMinute: 15 });
    const burst = await takeAll(fleet[0] as One);
    expect(burst, "most of what is free goes to whoever asks").toBeGreaterThanOrEqual(10);
    await lose(fleet);
    const alone = await takeWherever(fleet);
    expect(burst + alone).toBeLessThanOrEqual(15);
  });

  it("let a few through at once when the minute was quiet, and keep to their tokens", async () => {
    const fleet = await openFleet(3, { ...none, requestsPerMinute: 30, tokensPerMinute: 300 });
    let tokens = 0;
    while ((await take(fleet[0] as One, { tokens: 20 })) === 1) tokens += 20;
    await lose(fleet);
    let alone = 0;
    for (const one of fleet) while ((await take(one, { tokens: 10 })) === 1) alone += 10;
    expect(alone, "nobody is let through").toBeGreaterThan(0);
    expect(tokens + alone).toBeLessThanOrEqual(300);
  });

  it("give the last of a limit to whoever wants it within a few beats", async () => {
    const fleet = await openFleet(3, { requestsPerMinute: 15, tokensPerMinute: 150, requestsPerDay: 15 });
    let granted = 0;
    await vi.waitFor(
      async () => {
        const one = () => ask({ id: `number ${granted}`, tokens: 10 });
        while (granted < 20 && (await fleet[0]?.limits.take(one(), signal))?.granted === true) granted += 1;
        expect(granted).toBe(15);
      },
      { timeout: 8_000, interval: 50 },
    );
    await lose(fleet);
    expect(await takeWherever(fleet)).toBe(0);
  });

  it("keep to a limit when Redis comes back as it was some time ago", async () => {
    await server.close();
    await use({ save: "3600 1000" });
    const fleet = await openFleet(3, { ...none, requestsPerMinute: 15, requestsPerDay: 40 });
    let granted = 0;
    for (const one of fleet) granted += await take(one);
    expect(await askRedis(server.url, "SAVE")).toContain("OK");
    await vi.waitFor(async () => expect((granted += await takeWherever(fleet))).toBe(15), patience);
    await lose(fleet);
    await regain(fleet);
    let more = 0;
    const taken = async () => (more += await takeWherever(fleet));
    const until = Date.now() + 8_000;
    await vi.waitFor(async () => {
      expect(await taken(), "of a minute whose fifteen are used").toBe(0);
      expect(Date.now(), "everybody has told").toBeGreaterThan(until);
    }, patience);
    const { grantedToday } = (fleet[0] as One).shared.remembered("flash");
    expect(grantedToday).toBe(15);
  });

  it("are not dealt again to a process that starts while Redis is away: it may have been there a moment ago", async () => {
    await server.kill();
    // Nine hours before midnight in California.
    let nowMs = Date.parse("2026-06-01T22:00:00Z");
    const one = await join({ ...none, requestsPerMinute: 15, requestsPerDay: 48 }, () => nowMs);
    expect(await takeAll(one), "in its first minute").toBe(0);
    const waiting = ask();
    expect(await one.limits.estimateMs(waiting, 0, signal)).toBe(61_000);
    nowMs += 61_000;
    expect(await takeAll(one)).toBe(15);
    nowMs += 61_000;
    expect(await takeAll(one), "of the day what is left of it by the clock, 18 of 48").toBe(3);
  });

  it("send no call larger than a share alone: all of them may have one", async () => {
    let nowMs = Date.now();
    const fleet: One[] = [];
    for (let i = 0; i < 3; i += 1) fleet.push(await join({ ...none, tokensPerMinute: 900 }, () => nowMs));
    await vi.waitFor(async () => expect(await detail(fleet, "processes")).toEqual([3, 3, 3]), patience);
    await lose(fleet);
    let tokens = 0;
    // Long after all that was kept, and what was granted with Redis.
    for (let minute = 0; minute < 3; minute += 1) {
      nowMs += 70_000;
      tokens = 0;
      for (const one of fleet) tokens += (await take(one, { tokens: 600 })) * 600;
      for (const one of fleet) tokens += (await take(one, { tokens: 300 })) * 300;
      expect(tokens).toBeLessThanOrEqual(900);
    }
    expect(tokens, "what fits into a share is let through").toBe(900);
    const large = ask({ tokens: 600 });
    expect(await fleet[0]?.limits.take(large, signal)).toMatchObject({ granted: false, reason: "tokens_per_minute" });
  });

  it("are not exceeded where there are more processes than requests", async () => {
    let nowMs = Date.now();
    const fleet: One[] = [];
    for (let i = 0; i < 5; i += 1) fleet.push(await join({ ...none, requestsPerMinute: 2 }, () => nowMs));
    await vi.waitFor(async () => expect(await detail(fleet, "processes")).toEqual([5, 5, 5, 5, 5]), patience);
    await lose(fleet);
    for (let minute = 0; minute < 3; minute += 1) {
      nowMs += 70_000;
      expect(await takeWherever(fleet)).toBe(2);
    }
  });
});
