import { botToken, placeholder, table, type Variable } from "./config-variables.ts";
import { Misconfigured, type Fault } from "./errors.ts";
import type { LogLevel } from "./log.ts";

/** Everything the process is told at its start. Read once, from the environment and nothing else, and never changed. */
export interface Config {
  readonly environment: "development" | "test" | "staging" | "production";
  /** What this process does of the product: all of it, hearing, answering, or only bringing the database to this build's schema. */
  readonly role: "all-in-one" | "gateway" | "worker" | "migrate";
  readonly logLevel: LogLevel;
  /** Port of the health API. */
  readonly healthPort: number;
  /** Null: /status and /metrics are open. */
  readonly statusToken: string | null;
  /** Null: no folder of secrets. */
  readonly secretsDir: string | null;
  readonly agentsFrom: "file" | "kubernetes";
  /** What is known of the place in a cluster; nulls on a laptop. */
  readonly cluster: {
    readonly settingsConfigMap: string | null;
    readonly pod: string | null;
    readonly namespace: string | null;
    readonly node: string | null;
  };
  readonly discord: {
    /** Null: the bot talks in the terminal. */
    readonly token: string | null;
    readonly guildId: string | null;
    readonly apiUrl: string;
    /** Null: as many as Discord recommends. */
    readonly shards: number | null;
    readonly leaseMs: number;
    readonly backfillMs: number;
    readonly holdEvents: number;
    /** Tokens of agents that speak with a bot of their own, by the agent's name. */
    readonly voices: Readonly<Record<string, string>>;
  };
  readonly gemini: {
    /** Null: the offline model answers. */
    readonly apiKey: string | null;
    readonly model: string;
    /** Null: none. */
    readonly fallbackModel: string | null;
    readonly embeddingModel: string;
    readonly embeddingDimensions: number;
    readonly baseUrl: string;
    readonly requestsPerMinute: number;
    /** Null: no limit is enforced. */
    readonly tokensPerMinute: number | null;
    readonly requestsPerDay: number | null;
  };
  /** Null: the embedded database in the data folder. */
  readonly postgresql: { readonly url: string | null; readonly poolMin: number; readonly poolMax: number };
  readonly redis: { readonly url: string | null; readonly maxConnections: number };
  /** What operators expect; a breach is shown, never enforced. Milliseconds, and a share for errors. */
  readonly targets: {
    readonly hotMemoryMs: number;
    readonly coldMemoryMs: number;
    readonly embeddingMs: number;
    readonly errorRate: number;
  };
  /** The `memory_operations` breaker; `gemini_api` is fixed at 3 failures and 30 s. */
  readonly breaker: { readonly failureThreshold: number; readonly recoveryMs: number };
  readonly memory: {
    /** Hot memory: lines of a conversation, and their age. */
    readonly recentLines: number;
    readonly recentHours: number;
    /** Cold memory: memories in a prompt at most, tokens they may fill, least similarity of a vector to count. */
    readonly recallLimit: number;
    readonly recallTokens: number;
    readonly similarityThreshold: number;
    /** Null: kept for ever. */
    readonly retentionDays: number | null;
  };
  /** From taking up a message to giving up on it, and how long a stop may take. */
  readonly turnDeadlineMs: number;
  readonly drainDeadlineMs: number;
  /** UTF-16 units; a longer message is refused with a sentence. */
  readonly maxMessageChars: number;
  /** How many conversations are answered side by side. */
  readonly lanes: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

type Table = typeof table;
type Name = keyof Table;
type Value<N extends Name> = Table[N] extends Variable<infer T> ? T : never;

/** Reads the environment, once; throws Misconfigured with every fault there is. An empty value counts as unset. */
export function readConfig(env: Environment): Config {
  const faults: Fault[] = [];
  const optional = <N extends Name>(name: N): Value<N> | null => {
    const { schema, fallback, alias, takes, secret }: Variable<unknown> = table[name];
    const given = env[name]?.trim() || (alias && env[alias]?.trim()) || null;
    const text = given ?? fallback;
    if (text === null) return null;
    const where = alias && !env[name]?.trim() ? alias : name;
    if (text.includes(placeholder)) {
      faults.push(leftOver(where));
      return null;
    }
    const result = schema.safeParse(text);
    if (result.success) return result.data as Value<N>;
    // A long value may be a credential that was pasted into the wrong variable.
    const shown = secret || text.length > 20 ? "the value" : JSON.stringify(text);
    const remedy = `Set ${takes}, or unset it${fallback === null ? "" : ` for ${fallback}`}`;
    faults.push({ where, problem: `${shown} is not ${takes}`, remedy });
    return null;
  };
  // Only after a fault is a default missing here, and then no Config leaves this function.
  const required = <N extends Name>(name: N): Value<N> => optional(name) as Value<N>;
  const config = assemble(required, optional, readVoices(env, faults));
  checkPool(env, config, faults);
  checkRole(config, faults);
  if (faults.length > 0) throw new Misconfigured(faults);
  return config;
}

/** What `.env.production` has where a credential goes. */
const leftOver = (where: string): Fault => ({
  where,
  problem: `it still holds the placeholder ${placeholder}`,
  remedy: "Write its value there, or remove the line",
});

/** What a process of a fleet cannot do without. */
function checkRole({ role, discord, postgresql }: Config, faults: Fault[]): void {
  if (role === "all-in-one" || faults.some(({ where }) => where === "ROLE")) return;
  const why = `a process with ROLE=${role} shares its database with others`;
  if (postgresql.url === null && !faults.some(({ where }) => where === "POSTGRESQL_URL"))
    faults.push({
      where: "POSTGRESQL_URL",
      problem: `it is not set, and ${why}`,
      remedy: "Set the URL of a Postgres server",
    });
  if (role !== "migrate" && discord.token === null && !faults.some(({ where }) => where === "DISCORD_TOKEN"))
    faults.push({
      where: "DISCORD_TOKEN",
      problem: `it is not set, and a ${role} works on Discord`,
      remedy: "Set the bot's token",
    });
}

function checkPool(env: Environment, config: Config, faults: Fault[]): void {
  const { poolMin, poolMax } = config.postgresql;
  if (poolMin !== null && poolMax !== null && poolMax < poolMin) {
    // Named is the one that was set: nobody finds a fault in a default.
    const [where, problem] = env["POSTGRES_POOL_MAX_SIZE"]?.trim()
      ? ["POSTGRES_POOL_MAX_SIZE", `${poolMax} is less than POSTGRES_POOL_MIN_SIZE, which is ${poolMin}`]
      : ["POSTGRES_POOL_MIN_SIZE", `${poolMin} is more than POSTGRES_POOL_MAX_SIZE, which is ${poolMax}`];
    faults.push({ where, problem, remedy: "Make the pool's greatest size at least as large as its least" });
  }
}

const voicePrefix = "DISCORD_TOKEN_";

function readVoices(env: Environment, faults: Fault[]): Readonly<Record<string, string>> {
  const [schema, takes] = botToken;
  const names = Object.keys(env).filter((name) => name.startsWith(voicePrefix) && env[name]?.trim());
  return Object.fromEntries(
    names.map((name) => {
      const token = schema.safeParse(env[name]?.trim());
      if (env[name]?.includes(placeholder)) faults.push(leftOver(name));
      else if (!token.success)
        faults.push({ where: name, problem: `the value is not ${takes}`, remedy: `Set ${takes}, or unset it` });
      return [name.slice(voicePrefix.length).toLowerCase().replaceAll("_", "-"), token.data ?? ""];
    }),
  );
}

function assemble(
  required: <N extends Name>(name: N) => Value<N>,
  optional: <N extends Name>(name: N) => Value<N> | null,
  voices: Readonly<Record<string, string>>,
): Config {
  return {
    environment: required("ENVIRONMENT"),
    role: required("ROLE"),
    logLevel: required("LOG_LEVEL"),
    healthPort: required("HEALTH_CHECK_PORT"),
    statusToken: optional("STATUS_TOKEN"),
    secretsDir: optional("SECRETS_DIR"),
    agentsFrom: required("AGENTS_FROM"),
    cluster: assembleCluster(optional),
    discord: {
      token: optional("DISCORD_TOKEN"),
      guildId: optional("TARGET_GUILD_ID"),
      apiUrl: required("DISCORD_API_URL")?.replace(/\/+$/, ""),
      shards: required("DISCORD_SHARDS"),
      leaseMs: required("DISCORD_LEASE_SECONDS") * 1_000,
      backfillMs: required("DISCORD_BACKFILL_MINUTES") * 60_000,
      holdEvents: required("DISCORD_HOLD_EVENTS"),
      voices,
    },
    gemini: {
      apiKey: optional("GEMINI_API_KEY"),
      model: required("GEMINI_MODEL"),
      fallbackModel: optional("GEMINI_FALLBACK_MODEL"),
      embeddingModel: required("EMBEDDING_MODEL"),
      embeddingDimensions: required("EMBEDDING_DIMENSIONS"),
      baseUrl: required("GEMINI_BASE_URL")?.replace(/\/+$/, ""),
      requestsPerMinute: required("GEMINI_REQUESTS_PER_MINUTE"),
      tokensPerMinute: optional("GEMINI_TOKENS_PER_MINUTE"),
      requestsPerDay: optional("GEMINI_REQUESTS_PER_DAY"),
    },
    postgresql: {
      url: optional("POSTGRESQL_URL"),
      poolMin: required("POSTGRES_POOL_MIN_SIZE"),
      poolMax: required("POSTGRES_POOL_MAX_SIZE"),
    },
    redis: { url: optional("REDIS_URL"), maxConnections: required("REDIS_MAX_CONNECTIONS") },
    targets: assembleTargets(required),
    breaker: {
      failureThreshold: required("CIRCUIT_BREAKER_FAILURE_THRESHOLD"),
      recoveryMs: required("CIRCUIT_BREAKER_RECOVERY_TIMEOUT") * 1_000,
    },
    memory: {
      recentLines: required("HOT_MEMORY_LINES"),
      recentHours: required("HOT_MEMORY_HOURS"),
      recallLimit: required("COLD_MEMORY_LIMIT"),
      recallTokens: required("COLD_MEMORY_TOKENS"),
      similarityThreshold: required("COLD_MEMORY_THRESHOLD"),
      retentionDays: optional("MEMORY_RETENTION_DAYS"),
    },
    turnDeadlineMs: required("TURN_DEADLINE_SECONDS") * 1_000,
    drainDeadlineMs: required("DRAIN_DEADLINE_SECONDS") * 1_000,
    maxMessageChars: required("MAX_MESSAGE_CHARS"),
    lanes: required("LANES"),
  };
}

function assembleCluster(optional: <N extends Name>(name: N) => Value<N> | null): Config["cluster"] {
  return {
    settingsConfigMap: optional("SETTINGS_CONFIGMAP"),
    pod: optional("POD_NAME"),
    namespace: optional("POD_NAMESPACE"),
    node: optional("NODE_NAME"),
  };
}

function assembleTargets(required: <N extends Name>(name: N) => Value<N>): Config["targets"] {
  return {
    hotMemoryMs: required("HOT_MEMORY_TARGET_MS"),
    coldMemoryMs: required("COLD_MEMORY_TARGET_MS"),
    embeddingMs: required("EMBEDDING_TARGET_MS"),
    errorRate: required("ERROR_RATE_THRESHOLD"),
  };
}

/** The configuration as `/status` shows it: of what may hold a credential, only whether it is set. */
export function showConfig(config: Config): Record<string, unknown> {
  return {
    ...config,
    statusToken: presence(config.statusToken),
    discord: {
      ...config.discord,
      token: presence(config.discord.token),
      voices: Object.keys(config.discord.voices).join(", ") || "none",
    },
    gemini: { ...config.gemini, apiKey: presence(config.gemini.apiKey) },
    postgresql: { ...config.postgresql, url: presence(config.postgresql.url) },
    redis: { ...config.redis, url: presence(config.redis.url) },
  };
}

function presence(value: string | null): string {
  return value === null ? "not set" : "set";
}
