import * as z from "zod";
import { readRedisUrl } from "./connections/redis-url.ts";
import { longestTurnSeconds } from "./inbox/queue.ts";

/** One variable: what it takes, how it is read, and what it means. Its key is its name; `alias` is an older name. */
export interface Variable<T> {
  readonly schema: z.ZodType<T, string>;
  readonly takes: string;
  readonly fallback: string | null;
  readonly meaning: string;
  readonly alias?: string;
  /** May hold a credential: its value is in no message and no report. */
  readonly secret?: true;
}

const variable = <T>(
  [schema, takes]: readonly [z.ZodType<T, string>, string],
  fallback: string | null,
  meaning: string,
  more: { alias?: string; secret?: true } = {},
): Variable<T> => ({ schema, takes, fallback, meaning, ...more });

const whole = (least: number, most: number) =>
  [
    z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(least).max(most)),
    `a whole number from ${least} to ${most}`,
  ] as const;
const share = [
  z
    .string()
    .regex(/^\d*\.?\d+$/)
    .transform(Number)
    .pipe(z.number().max(1)),
  "a number from 0 to 1",
] as const;
const word = <const W extends string>(...words: W[]) => [z.enum(words), `one of ${words.join(", ")}`] as const;
const pattern = (form: RegExp, takes: string) => [z.string().regex(form), takes] as const;
const url = (isGood: (url: URL) => boolean, takes: string) =>
  [z.string().refine((text) => URL.canParse(text) && isGood(new URL(text))), takes] as const;
const scheme = (...schemes: string[]) =>
  url(
    ({ protocol }) => schemes.includes(protocol),
    `a URL that begins with ${schemes.map((name) => `${name}//`).join(" or ")}`,
  );
const near = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|[a-z0-9.-]+\.svc(?:\.cluster\.local)?)$/;
const apiUrl = url(
  ({ protocol, hostname, username, password, search }) =>
    (protocol === "https:" || (protocol === "http:" && near.test(hostname))) &&
    `${username}${password}${search}` === "",
  "an https URL (http only for this machine and for Services of the cluster, as name.namespace.svc), without user, password or query",
);
/** A token of Discord; `DISCORD_TOKEN_<AGENT>` take the same. */
export const botToken = pattern(/^(?!Bot$)\S+$/, "a bot token without spaces and without the word Bot before it");
const objectName = pattern(
  /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/,
  "a name as Kubernetes has them: small letters, digits, dashes, dots",
);
const shards = [
  z
    .string()
    .regex(/^(?:auto|[1-9]\d{0,3})$/)
    .transform((text) => (text === "auto" ? null : Number(text))),
  "auto or a number of shards",
] as const;
const modelName = pattern(/^[\w./-]{1,100}$/, "the name of a model: letters, digits, dots, dashes");
const seconds = whole(1, longestTurnSeconds);
const milliseconds = whole(1, 600_000);
const many = whole(1, 1_000_000_000);

/** The table that everything about the environment comes from. */
export const table = {
  ENVIRONMENT: variable(word("development", "test", "staging", "production"), "development", "Where the process runs"),
  ROLE: variable(
    word("all-in-one", "gateway", "worker", "migrate"),
    "all-in-one",
    "What the process does: everything, hearing Discord, answering what was heard, or bringing the database to this build's schema and ending",
  ),
  LOG_LEVEL: variable(
    word("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    "info",
    "The least important log line that is written",
  ),
  HEALTH_CHECK_PORT: variable(whole(0, 65_535), "8000", "Port of the health API; 0 takes any free one"),
  STATUS_TOKEN: variable(
    pattern(/^[!-~]{16,}$/, "at least 16 letters, digits and signs without spaces"),
    null,
    "What `/status` and `/metrics` of the health API ask for as a bearer token; without it they are open to whoever reaches the port",
    { secret: true },
  ),
  SECRETS_DIR: variable(
    pattern(/^\//, "the absolute path of a folder"),
    null,
    "Folder of files that are named as variables and hold their values where the environment does not; the process ends in order when one changes, to be started with it",
  ),
  AGENTS_FROM: variable(
    word("file", "kubernetes"),
    "file",
    "Where the agents are: in the file of `--agents`, or the Agent objects of the namespace",
  ),
  SETTINGS_CONFIGMAP: variable(
    objectName,
    null,
    "ConfigMap of the namespace with variables that may change while the process runs: log level, limits of the model, retention",
  ),
  POD_NAME: variable(objectName, null, "The pod, from the downward API; logs and `/status` carry it"),
  POD_NAMESPACE: variable(
    objectName,
    null,
    "The namespace of the pod; without it that of its ServiceAccount, or of KUBECONFIG",
  ),
  NODE_NAME: variable(objectName, null, "The node of the pod"),
  DISCORD_TOKEN: variable(botToken, null, "Token of the Discord bot; without it the bot talks in the terminal", {
    alias: "DISCORD_RECEPTION_TOKEN",
    secret: true,
  }),
  DISCORD_API_URL: variable(apiUrl, "https://discord.com/api", "Where the Discord API is reached", { secret: true }),
  DISCORD_SHARDS: variable(
    shards,
    "auto",
    "Shards of the gateway in all processes together; auto takes what Discord recommends",
  ),
  DISCORD_LEASE_SECONDS: variable(
    whole(1, 600),
    "5",
    "Seconds after which another process takes over the shards of one that has died",
  ),
  DISCORD_BACKFILL_MINUTES: variable(
    whole(0, 1_440),
    "60",
    "Age in minutes up to which messages are fetched and answered that were written while nobody listened",
  ),
  DISCORD_HOLD_EVENTS: variable(
    whole(10, 1_000_000),
    "10000",
    "Events that each shard of a process holds in memory while Postgres is away; one with more hangs up and resumes later",
  ),
  TARGET_GUILD_ID: variable(
    pattern(/^\d{17,20}$/, "a Discord id: 17 to 20 digits"),
    null,
    "The one guild that is served; without it every guild the bot is in",
  ),
  GEMINI_API_KEY: variable(
    pattern(/^\S+$/, "an API key without spaces"),
    null,
    "Key of the Gemini API; without it the offline model answers",
    { secret: true },
  ),
  GEMINI_MODEL: variable(modelName, "gemini-3.5-flash-lite", "The model that writes answers"),
  GEMINI_FALLBACK_MODEL: variable(
    modelName,
    null,
    "The model that is asked when the first does not answer or its quota is used up; without it there is none",
  ),
  EMBEDDING_MODEL: variable(modelName, "gemini-embedding-001", "The model that embeds memories"),
  EMBEDDING_DIMENSIONS: variable(
    whole(1, 3_072),
    "768",
    "Numbers in a vector; another value begins another vector space",
  ),
  GEMINI_BASE_URL: variable(apiUrl, "https://generativelanguage.googleapis.com", "Where the Gemini API is reached", {
    secret: true,
  }),
  GEMINI_REQUESTS_PER_MINUTE: variable(many, "15", "Requests a minute that the Gemini project allows"),
  GEMINI_TOKENS_PER_MINUTE: variable(
    many,
    null,
    "Input tokens a minute that the Gemini project allows; without it they are not limited",
  ),
  GEMINI_REQUESTS_PER_DAY: variable(
    many,
    null,
    "Requests a day (Pacific time) that the Gemini project allows; without it they are not limited",
  ),
  POSTGRESQL_URL: variable(
    scheme("postgres:", "postgresql:"),
    null,
    "The Postgres server; without it the embedded database in the data folder",
    { alias: "DATABASE_URL", secret: true },
  ),
  POSTGRES_POOL_MIN_SIZE: variable(whole(0, 1_000), "1", "Connections to Postgres that are kept open"),
  POSTGRES_POOL_MAX_SIZE: variable(whole(1, 1_000), "10", "Connections to Postgres at most"),
  REDIS_URL: variable(
    [
      z.string().refine((text) => readRedisUrl(text) !== null),
      "redis://…, rediss://… for TLS, or redis+sentinel://host,host/name",
    ],
    null,
    "The Redis server that processes share today's conversation and the model's limits in; without it each keeps its own, and begins its share of the day anew at each start: one that restarts again and again can exceed GEMINI_REQUESTS_PER_DAY",
    { secret: true },
  ),
  REDIS_MAX_CONNECTIONS: variable(
    whole(1, 1_000),
    "10",
    "Accepted as the predecessor's; a process opens one connection, which is enough",
  ),
  HOT_MEMORY_TARGET_MS: variable(
    milliseconds,
    "100",
    "Target for reading hot memory, in milliseconds; a breach is shown, never enforced",
  ),
  COLD_MEMORY_TARGET_MS: variable(milliseconds, "3000", "Target for recalling from cold memory, in milliseconds"),
  EMBEDDING_TARGET_MS: variable(milliseconds, "2000", "Target for one embedding call, in milliseconds"),
  ERROR_RATE_THRESHOLD: variable(share, "0.05", "Share of turns that may fail"),
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: variable(
    whole(1, 1_000),
    "5",
    "Failures in a row that open the breaker `memory_operations`",
  ),
  CIRCUIT_BREAKER_RECOVERY_TIMEOUT: variable(
    whole(1, 3_600),
    "60",
    "Seconds until an open breaker lets a probe through",
  ),
  HOT_MEMORY_LINES: variable(whole(1, 200), "20", "Lines of today's conversation in a prompt at most"),
  HOT_MEMORY_HOURS: variable(whole(1, 720), "24", "Age in hours at which a line leaves hot memory"),
  COLD_MEMORY_LIMIT: variable(whole(0, 100), "10", "Recalled memories in a prompt at most"),
  COLD_MEMORY_TOKENS: variable(whole(0, 100_000), "1500", "Tokens that recalled memories may fill in a prompt"),
  COLD_MEMORY_THRESHOLD: variable(share, "0.7", "Least cosine similarity of a vector to count"),
  MEMORY_RETENTION_DAYS: variable(
    whole(1, 36_500),
    null,
    "Days until a memory is deleted; without it memories are kept",
  ),
  TURN_DEADLINE_SECONDS: variable(seconds, "90", "Seconds from taking up a message to giving up on it"),
  DRAIN_DEADLINE_SECONDS: variable(seconds, "100", "Seconds a stop may take"),
  MAX_MESSAGE_CHARS: variable(
    whole(1, 100_000),
    "8000",
    "Characters of a message at most; a longer one is refused with a sentence",
  ),
  LANES: variable(whole(1, 256), "8", "Conversations that are answered side by side"),
} as const;

/** Every variable that is read, in the order of docs/configuration.md, which is made from it. */
export const variables = Object.entries<Variable<unknown>>(table).map(
  ([name, { alias, fallback, takes, meaning }]) => ({
    name,
    alias: alias ?? null,
    default: fallback,
    takes,
    meaning,
  }),
);

/** Stands in `.env.production` for what nobody but its user knows; no variable may hold it. */
export const placeholder = "REPLACE_ME";

/** What `.env.production` sets; the rest is there as a comment. */
const inProduction: Readonly<Record<string, string>> = {
  ENVIRONMENT: "production",
  DISCORD_TOKEN: placeholder,
  GEMINI_API_KEY: placeholder,
  POSTGRESQL_URL: `postgres://discord_agent:${placeholder}@postgres:5432/discord_agent`,
  REDIS_URL: "redis://redis:6379",
};

/** The file .env.production. */
export function renderEnvironmentFile(): string {
  const entries = variables.map(({ name, default: fallback, takes, meaning }) => {
    const set = inProduction[name];
    const line = set === undefined ? `# ${name}=${fallback ?? ""}` : `${name}=${set}`;
    return `# ${meaning}.\n# Takes ${takes}.\n${line}\n`;
  });
  return `# Every variable of a bot in production; what is behind # has that default. It holds no secret, and the bot refuses to start while a
# placeholder is left:
#   cp .env.production .env       and write the real values over ${placeholder}
#   docker compose --profile production up -d --wait
# The same file serves a cluster, and a process on its own; the hosts postgres and redis are those of compose.yaml:
#   npm run synth -- --env-file .env --values my.yaml --out mine
#   node_modules/.bin/node --env-file=.env src/main.ts
#
# DISCORD_TOKEN_<AGENT>=… gives an agent a bot of its own to speak with.
# Made from src/config-variables.ts; \`npx vitest run test/config -u\` writes it anew.

${entries.join("\n")}
# Only for compose.yaml: the password of its Postgres, the same as in POSTGRESQL_URL. It takes letters and digits.
POSTGRES_PASSWORD=${placeholder}
`;
}

/** The page docs/configuration.md. */
export function renderConfigReference(): string {
  const rows = variables.map(({ name, alias, default: fallback, takes, meaning }) => {
    const names = alias === null ? `\`${name}\`` : `\`${name}\` or \`${alias}\``;
    return `| ${names} | ${fallback === null ? "unset" : `\`${fallback}\``} | ${meaning} | ${takes} |`;
  });
  return `# Configuration

The process is configured by its environment, read once at the start. An empty variable counts as unset. Whatever is wrong is
reported at once, all of it, and the process exits 78 with nothing started. Of two names for one variable the first one wins.

\`DISCORD_TOKEN_<AGENT>\` gives an agent a bot of its own to speak with: its name in capitals, with \`_\` for \`-\`.

This page is made from \`src/config-variables.ts\`; \`npx vitest run test/config -u\` writes it anew.

| Variable | Default | Meaning | Takes |
|---|---|---|---|
${rows.join("\n")}
`;
}
