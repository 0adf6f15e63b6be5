import { pino } from "pino";
import { afterEach, expect, it, vi } from "vitest";
import { makeRedis, asScript } from "../../src/connections/redis.ts";
import { readRedisUrl } from "../../src/connections/redis-url.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { openForwarder } from "../servers/forwarder.ts";
import { describeUnless } from "../servers/databases.ts";
import { findOtherRedis } from "../servers/other-redis.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { askRedis, whyNoOtherRedis, whyNoOwnRedis } from "../servers/shared.ts";
import { unguarded } from "../resilience/unguarded.ts";

const patience = { timeout: 30_000, interval: 25 };
const hello = asScript(`return redis.call("INCR", "discord-agent:hello")`);

it.each([
  ["redis://cache", { host: "cache", port: 6379, db: 0 }],
  ["redis://:p%40ss@127.0.0.1:7000/3", { host: "127.0.0.1", port: 7000, db: 3, password: "p@ss" }],
  ["rediss://bot:pass@[::1]:6380", { host: "::1", port: 6380, db: 0, username: "bot", password: "pass", tls: {} }],
  [
    "redis+sentinel://bot:pass@a:1,b/main/2",
    {
      sentinels: [
        { host: "a", port: 1 },
        { host: "b", port: 26_379 },
      ],
      name: "main",
      db: 2,
      username: "bot",
      password: "pass",
    },
  ],
  ["redis+sentinel://a:1,b", null],
  ["redis+sentinel://a b/main", null],
  ["redis://cache/main", null],
  ["redis://cache?db=1", null],
  ["http://cache", null],
])("%s is read", (url, options) => {
  expect(readRedisUrl(url)).toEqual(options);
});

describeUnless(await whyNoOwnRedis(), "Redis", () => {
  const open: (() => Promise<unknown>)[] = [];
  const serve = async (settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> => {
    const server = await startRedis(settings);
    open.push(() => server.close());
    return server;
  };
  const connect = async (url: string) => {
    let written = "";
    const log = pino({ level: "trace" }, { write: (text) => (written += text) });
    const redis = makeRedis({ guard: unguarded, url, metrics: makeMetrics(), log });
    open.unshift(() => redis.stop(AbortSignal.timeout(1_000)));
    const failed = await redis
      .start(AbortSignal.timeout(10_000), () => {})
      .then(
        () => null,
        (error: Error) => error.message,
      );
    return { redis, failed, written: () => written };
  };
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });

  it.each([
    ["no password", {}, "", /wants a password. Write redis:\/\//],
    ["a wrong password", {}, ":canary-word@", /refuses this user with this password/],
    ["an unknown user", {}, "nobody:canary-word@", /refuses this user with this password/],
    ["a database that is not there", { databases: "2" }, ":secret@", /no database of this number/, "/7"],
    [
      "a node of a cluster",
      { "cluster-enabled": "yes" },
      ":secret@",
      /node of a Redis Cluster. Take a single server or sentinels/,
    ],
  ])(
    "that is called with %s is refused in one sentence",
    async (_, settings: Readonly<Record<string, string>>, login: string, sentence: RegExp, path = "") => {
      const server = await serve({ requirepass: "secret", ...settings });
      const { failed, written } = await connect(`redis://${login}127.0.0.1:${server.port}${path}`);
      expect(failed).toMatch(/^REDIS_URL: /);
      expect(failed).toMatch(sentence);
      expect(`${failed} ${written()}`).not.toMatch(/canary|secret/);
    },
  );

  it("may be used by an ACL user that may do no more than is needed", async () => {
    const server = await serve();
    await askRedis(
      server.url,
      "ACL",
      "SETUSER",
      "bot",
      "on",
      ">word",
      "~discord-agent:*",
      "+@all",
      "-@dangerous",
      "+info",
    );
    const { redis, failed } = await connect(`redis://bot:word@127.0.0.1:${server.port}`);
    expect(failed).toBeNull();
    expect(await redis.cache.run(hello, [], [])).toBe(1);
  });

  it("that is away stops nothing: it is said, refused at once, and used as soon as it is back; also when it has forgotten the scripts", async () => {
    const server = await serve();
    const { redis, written } = await connect(server.url);
    expect(await redis.cache.run(hello, [], [])).toBe(1);
    await server.stop();
    await vi.waitFor(() => expect(redis.cache.isOpen()).toBe(false), patience);
    await expect(redis.cache.run(hello, [], [])).rejects.toMatchObject({ code: "redis_unreachable" });
    expect(await redis.check?.(AbortSignal.timeout(500))).toMatchObject({ status: "degraded" });
    await server.start();
    await vi.waitFor(async () => expect(await redis.cache.run(hello, [], [])).toBe(1), patience);
    expect(await redis.check?.(AbortSignal.timeout(500))).toEqual({ status: "healthy" });
    expect(written().match(/Redis is away/g)).toHaveLength(1);
  });

  it("that stops to answer is degraded, also while its connection stands, and healthy as soon as it answers", async () => {
    const server = await serve();
    const { redis } = await connect(server.url);
    await server.freeze();
    expect(await redis.check?.(AbortSignal.timeout(500))).toMatchObject({ status: "degraded" });
    await server.thaw();
    await vi.waitFor(
      async () => expect(await redis.check?.(AbortSignal.timeout(500))).toEqual({ status: "healthy" }),
      patience,
    );
  });

  it("whose host has gone without a word is connected to anew after some seconds", async () => {
    const server = await serve();
    const forwarder = await openForwarder(server.port);
    open.unshift(() => forwarder.close());
    const { redis } = await connect(`redis://127.0.0.1:${forwarder.port}`);
    expect(await redis.cache.run(hello, [], [])).toBe(1);
    forwarder.silence();
    await expect(redis.cache.run(hello, [], [])).rejects.toMatchObject({ code: "redis_unreachable" });
    await vi.waitFor(async () => expect(await redis.cache.run(hello, [], [])).toBe(2), patience);
  });

  it("that does not answer at the start is waited for in the background", async () => {
    const server = await serve();
    await server.freeze();
    const { redis, failed } = await connect(server.url);
    expect(failed).toBeNull();
    expect(await redis.check?.(AbortSignal.timeout(500))).toMatchObject({ status: "degraded" });
    await server.thaw();
    await vi.waitFor(async () => expect(await redis.cache.run(hello, [], [])).toBe(1), patience);
  });

  it("that is away at the start is waited for in the background", async () => {
    const { redis, failed } = await connect("redis://127.0.0.1:1");
    expect(failed).toBeNull();
    expect(await redis.check?.(AbortSignal.timeout(500))).toMatchObject({ status: "degraded" });
  });
});

describeUnless(await whyNoOtherRedis("redis-5"), "Redis 5", () => {
  it("is refused in one sentence that says which version is needed", async () => {
    const server = await startRedis({}, await findOtherRedis("redis-5"));
    const redis = makeRedis({
      guard: unguarded,
      url: server.url,
      metrics: makeMetrics(),
      log: pino({ level: "silent" }),
    });
    try {
      await expect(redis.start(AbortSignal.timeout(10_000), () => {})).rejects.toThrow(
        /^REDIS_URL: the server is Redis 5\.0\.6\. Take Redis 6\.2 or newer, or Valkey$/,
      );
    } finally {
      await redis.stop(AbortSignal.timeout(1_000));
      await server.close();
    }
  });
});
