import { createHash } from "node:crypto";
import type { Redis, RedisOptions } from "ioredis";
import { asError, ForeseenError, Misconfigured, type Fault } from "../errors.ts";
import type { Check, Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { explainCertificate } from "./certificates.ts";
import type { Guard } from "./guard.ts";
import { readRedisUrl } from "./redis-url.ts";

/** Runs scripts in Redis, each as one atomic step. What it keeps may be gone at any moment. */
export interface Cache {
  /**
   * Resolves to what the script returns. Rejects with `redis_unreachable` at once while there is no connection, and when there is no answer within
   * a quarter of a second; then it may have run or not.
   */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Whether there is a connection. */
  isOpen(): boolean;
}

/** A script in Lua. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** Names a script by its hash, as Redis does. */
export function asScript(source: string): Script {
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/** Beyond that Postgres is faster. */
const answerMs = 250;
const oldest = "6.2";

/** Redis as a part of the process. Its absence stops nothing: the part is degraded, and connects as soon as it can. */
export function makeRedis(options: {
  url: string;
  guard: Guard;
  metrics: Metrics;
  log: Logger;
}): Component & { cache: Cache } {
  let redis: Redis | null = null;
  let line: ReturnType<typeof watchLine> | null = null;
  const isOpen = () => redis?.status === "ready";
  return {
    name: "redis",
    cache: {
      isOpen,
      run: async (script, keys, args) => {
        const there = redis;
        if (there === null) throw asUnreachable(new Error("it is not open"));
        return options.guard(() => runScript(there, script, keys, args));
      },
    },
    start: async () => {
      redis = await open(options.url);
      line = watchLine(redis, options);
      // A server that is away now is connected to later; one that refuses us never will be.
      await firstTry(redis);
      const refused = line.refused();
      if (refused !== null && !isPassing(refused)) throw new Misconfigured([explain(refused)]);
      if (redis.status === "ready") await checkServer(redis);
    },
    stop: async () => {
      line?.close();
      redis?.disconnect();
    },
    check: async (): Promise<Check> => {
      // A connection stands long after the server has stopped to answer, and what is still left alone is not used.
      if (isOpen() && (await options.guard(() => ping(redis)).catch(() => false))) return { status: "healthy" };
      const refused = line?.refused() ?? null;
      const reason = `${refused === null ? "it does not answer" : explain(refused).problem}: Postgres and local limits serve meanwhile`;
      return { status: "degraded", details: { reason } };
    },
  };
}

/** Loaded only where there is a Redis: the library takes 20 MB. */
async function open(url: string): Promise<Redis> {
  const { Redis: Client } = await import("./redis-library.ts");
  const settings: RedisOptions = {
    ...readRedisUrl(url),
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: answerMs,
    connectTimeout: 5_000,
    sentinelCommandTimeout: 1_000,
    // What was the primary has become a replica: the new one is asked for.
    reconnectOnError: ({ message }) => message.startsWith("READONLY"),
    // A host that goes without a word leaves a connection that stands for a quarter of an hour.
    socketTimeout: 5_000,
    connectionName: "discord-agent",
    retryStrategy: (times) => Math.min(2_000, 50 * 2 ** times) * (0.5 + Math.random() / 2),
  };
  return new Client({ ...settings, replyMapping: "legacy" });
}

/** Resolves when there is a connection, and when there is none yet: through sentinels the library tries for ever. */
async function firstTry(redis: Redis): Promise<void> {
  const failed = new Promise<void>((resolve) => void redis.once("error", () => resolve()));
  await Promise.race([redis.connect().catch(() => {}), failed]);
}

async function runScript(redis: Redis, script: Script, keys: readonly string[], args: readonly (string | number)[]) {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args).catch((error: Error) => {
      if (!error.message.startsWith("NOSCRIPT")) throw error;
      return redis.eval(script.source, keys.length, ...keys, ...args);
    });
  } catch (error) {
    throw asUnreachable(error);
  }
}

async function ping(redis: Redis | null): Promise<boolean> {
  try {
    return (await redis?.ping()) === "PONG";
  } catch (error) {
    throw asUnreachable(error);
  }
}

/** Tells of each change between connected and not, once, and remembers why the server refuses us. */
function watchLine(redis: Redis, { metrics, log }: { readonly metrics: Metrics; readonly log: Logger }) {
  let refused: Error | null = null;
  let isThere: boolean | null = null;
  let isClosed = false;
  const change = (now: boolean, tell: () => void) => {
    metrics.activeConnections.set({ connection_type: "redis" }, now ? 1 : 0);
    if (isThere !== now && !isClosed) tell();
    isThere = now;
  };
  redis.on("error", (error: Error) => {
    if (isRefusal(error)) refused = error;
  });
  redis.on("ready", () => {
    refused = null;
    change(true, () => log.info({ component: "redis" }, "Redis is there"));
  });
  redis.on("close", () =>
    change(false, () => log.warn({ component: "redis" }, "Redis is away: Postgres and local limits serve meanwhile")),
  );
  return { refused: () => refused, close: () => (isClosed = true) };
}

function isRefusal(error: Error): boolean {
  return (
    /^(?:WRONGPASS|NOAUTH|NOPERM|ERR (?:AUTH|invalid password|DB index|Client sent AUTH))/.test(error.message) ||
    certificateFault(error) !== null
  );
}

/** A certificate that has expired was right once: nobody misspelt anything, and the fleet need not stay down for it. */
function isPassing(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === "CERT_HAS_EXPIRED";
}

function certificateFault(error: Error) {
  const { code = "" } = error as NodeJS.ErrnoException;
  return explainCertificate(code, "Name its authority with NODE_EXTRA_CA_CERTS=FILE");
}

function asUnreachable(error: unknown): Error {
  const { message } = asError(error);
  return new ForeseenError("redis_unreachable", `Redis did not do it: ${message.slice(0, 100)}`, {
    kind: "retry",
    afterMs: 1_000,
  });
}

function explain(error: Error): Fault {
  const { message } = error;
  const wrong = (problem: string, remedy: string) => ({ where: "REDIS_URL", problem, remedy });
  const certificate = certificateFault(error);
  if (certificate !== null) return wrong(certificate.problem, certificate.remedy);
  if (message.startsWith("NOAUTH")) return wrong("the server wants a password", "Write redis://user:password@host");
  if (message.startsWith("NOPERM"))
    return wrong(
      "the user may not use what is needed",
      "Allow it: ACL SETUSER … ~discord-agent:* +@all -@dangerous +info",
    );
  if (message.includes("DB index"))
    return wrong("the server has no database of this number", "Name another one after the slash");
  return wrong("the server refuses this user with this password", "Correct the two, or set the password on the server");
}

/** Refuses what would fail later, in the middle of a script. */
async function checkServer(redis: Redis): Promise<void> {
  const refuse = (error: Error) => {
    if (isRefusal(error)) throw new Misconfigured([explain(error)]);
    return "";
  };
  // The library selects it too, and says nothing when there is none.
  await redis.select(redis.options.db ?? 0).catch(refuse);
  const info = await redis.info().catch(refuse);
  const [, version = ""] = /redis_version:(\S+)/.exec(info) ?? [];
  const fault = (problem: string, remedy: string) => new Misconfigured([{ where: "REDIS_URL", problem, remedy }]);
  if (version !== "" && version.localeCompare(oldest, "en", { numeric: true }) < 0)
    throw fault(`the server is Redis ${version}`, `Take Redis ${oldest} or newer, or Valkey`);
  if (redis.options.sentinels === null && /role:slave/.test(info))
    throw fault("the server is a replica, which only reads", "Name the primary, or the sentinels that know it");
  if (/cluster_enabled:1/.test(info))
    throw fault(
      "the server is a node of a Redis Cluster",
      "Take a single server or sentinels: what is kept here is small, and a cluster would only add hops",
    );
}
