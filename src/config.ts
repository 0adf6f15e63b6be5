import type { LogLevel } from "./log.ts";

/** Everything the process is told at its start. Read once, from the environment and nothing else, and never changed. */
export interface Config {
  readonly environment: "development" | "test" | "staging" | "production";
  readonly logLevel: LogLevel;
  /** Port of the health API. */
  readonly healthPort: number;
  readonly discord: { readonly token: string | null; readonly guildId: string | null };
  readonly gemini: {
    /** Null: the offline model answers. */
    readonly apiKey: string | null;
    readonly model: string;
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
