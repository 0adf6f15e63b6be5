import { connect as connectTo } from "node:net";
import { pino } from "pino";
import { afterEach, expect, it, vi } from "vitest";
import { asScript, makeRedis } from "../../src/connections/redis.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { describeUnless } from "../servers/databases.ts";
import { startRedis, startSentinel, type RedisServer } from "../servers/redis.ts";
import { askRedis, whyNoOwnRedis } from "../servers/shared.ts";
import { unguarded } from "../resilience/unguarded.ts";

const patience = { timeout: 60_000, interval: 50 };
const count = asScript(`return redis.call("INCR", "discord-agent:count")`);

describeUnless(await whyNoOwnRedis(), "Redis behind sentinels", () => {
  const open: (() => Promise<unknown>)[] = [];
  const keep = <T extends { close(): Promise<void> }>(server: T): T => {
    open.unshift(() => server.close());
    return server;
  };
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });

  /** A primary with its replica, and two sentinels that know both. */
  async function openHouse() {
    const settings = { "repl-diskless-sync-delay": "0", "repl-timeout": "5" };
    const primary = keep(await startRedis(settings));
    const replica = keep(await startRedis({ ...settings, replicaof: `127.0.0.1 ${primary.port}` }));
    await vi.waitFor(async () => expect(await askRedis(primary.url, "ROLE")).toContain(String(replica.port)), patience);
    const sentinels = [keep(await startSentinel(primary.port)), keep(await startSentinel(primary.port))];
    for (const { port } of sentinels)
      await vi.waitFor(async () => {
        const sees = await askSentinel(port, "MASTER", "main");
        expect([valueOf(sees, "num-slaves"), valueOf(sees, "num-other-sentinels")]).toEqual(["1", "1"]);
      }, patience);
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",");
    return { primary, replica, sentinels, url: `redis+sentinel://${hosts}/main/3` };
  }

  async function connect(url: string) {
    let written = "";
    const log = pino({ level: "trace" }, { write: (text) => (written += text) });
    const redis = makeRedis({ guard: unguarded, url, metrics: makeMetrics(), log });
    open.unshift(() => redis.stop(AbortSignal.timeout(1_000)));
    await redis.start(AbortSignal.timeout(20_000), () => {});
    return { redis, written: () => written };
  }

  const countOn = (server: RedisServer) => askRedis(`${server.url}/3`, "GET", "discord-agent:count");

  it("the primary is found and written to, also when the first sentinel is away", async () => {
    const { primary, sentinels, url } = await openHouse();
    await sentinels[0]?.stop();
    const { redis } = await connect(url);
    expect(await redis.cache.run(count, [], [])).toBe(1);
    expect(await countOn(primary)).toContain("\r\n1\r\n");
  });

  it("a primary that dies is followed to the one that takes its place", async () => {
    const { primary, replica, url } = await openHouse();
    const { redis, written } = await connect(url);
    expect(await redis.cache.run(count, [], [])).toBe(1);
    await vi.waitFor(async () => expect(await countOn(replica)).toContain("\r\n1\r\n"), patience);
    await primary.kill();
    await vi.waitFor(async () => expect(await redis.cache.run(count, [], [])).toBe(2), patience);
    expect(await askRedis(replica.url, "ROLE")).toContain("master");
    expect(await redis.check?.(AbortSignal.timeout(500))).toEqual({ status: "healthy" });
    expect(written()).not.toContain("127.0.0.1");
    // What comes back as a replica is not taken for the primary.
    await primary.start();
    await vi.waitFor(async () => expect(await askRedis(primary.url, "ROLE")).toContain("slave"), patience);
    expect(await redis.cache.run(count, [], [])).toBe(3);
  });

  it("a primary that hands over in order is followed without a failed start", async () => {
    const { replica, sentinels, url } = await openHouse();
    const { redis } = await connect(url);
    expect(await redis.cache.run(count, [], [])).toBe(1);
    await vi.waitFor(async () => expect(await countOn(replica)).toContain("\r\n1\r\n"), patience);
    expect(await askSentinel(sentinels[0]?.port ?? 0, "FAILOVER", "main")).toContain("+OK");
    await vi.waitFor(async () => expect(await askRedis(replica.url, "ROLE")).toContain("master"), patience);
    await vi.waitFor(async () => {
      await redis.cache.run(count, [], []);
      expect(Number(/\r\n(\d+)\r\n/.exec(await countOn(replica))?.[1])).toBeGreaterThan(1);
    }, patience);
  });

  it("sentinels that are all away stop no start; they are asked again in the background", async () => {
    const { primary, sentinels, url } = await openHouse();
    for (const one of sentinels) await one.stop();
    const { redis } = await connect(url);
    expect(await redis.check?.(AbortSignal.timeout(500))).toMatchObject({ status: "degraded" });
    await expect(redis.cache.run(count, [], [])).rejects.toMatchObject({ code: "redis_unreachable" });
    for (const one of sentinels) await one.start();
    await vi.waitFor(async () => expect(await redis.cache.run(count, [], [])).toBe(1), patience);
    expect(await countOn(primary)).toContain("\r\n1\r\n");
  });

  it("with rediss+sentinel:// a primary without TLS is not spoken to in plain text", async () => {
    const { primary, url } = await openHouse();
    const { redis } = await connect(url.replace("redis+", "rediss+"));
    expect(redis.cache.isOpen()).toBe(false);
    expect(await askRedis(primary.url, "CLIENT", "LIST")).not.toContain("name=discord-agent");
  });

  it("a replica that is named as if it were a server is refused in one sentence", async () => {
    const { replica } = await openHouse();
    await expect(connect(replica.url)).rejects.toThrow(
      "REDIS_URL: the server is a replica, which only reads. Name the primary, or the sentinels that know it",
    );
  });
});

/** What a sentinel answers; it knows no QUIT, and hangs up when it is hung up on. */
async function askSentinel(port: number, ...words: readonly string[]): Promise<string> {
  const socket = connectTo(port, "127.0.0.1");
  socket.end(`SENTINEL ${words.join(" ")}\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

function valueOf(answer: string, field: string): string | undefined {
  return new RegExp(`\r\n${field}\r\n\\$\\d+\r\n([^\r]*)`).exec(answer)?.[1];
}
