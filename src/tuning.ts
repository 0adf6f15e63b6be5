import { readConfig, type Config } from "./config.ts";
import { Misconfigured, type Fault } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Variables that a ConfigMap may change while the process runs; any other one takes effect with a new process. */
export const tunable = [
  "LOG_LEVEL",
  "GEMINI_REQUESTS_PER_MINUTE",
  "GEMINI_TOKENS_PER_MINUTE",
  "GEMINI_REQUESTS_PER_DAY",
  "MEMORY_RETENTION_DAYS",
] as const;

/** What may change of the configuration, as of now. */
export interface Tuning {
  /** All of it, as it holds now. */
  readonly config: () => Config;
  /** Of the Gemini project. */
  readonly limits: () => Pick<Config["gemini"], "requestsPerMinute" | "tokensPerMinute" | "requestsPerDay">;
  /** Null: memories are kept for ever. */
  readonly retentionDays: () => number | null;
  /**
   * Takes over what a ConfigMap says; null and what it does not name mean what the process was started with. Returns what is wrong with it, and
   * then changes nothing.
   */
  readonly take: (data: Readonly<Record<string, string>> | null) => readonly Fault[];
  /** Calls back after each change. */
  readonly onChange: (listener: () => void) => void;
}

/** Begins with the configuration of the start. */
export function makeTuning(config: Config, log: Logger): Tuning {
  const listeners: (() => void)[] = [];
  let now = config;
  let taken = "{}";
  return {
    config: () => now,
    limits: () => now.gemini,
    retentionDays: () => now.memory.retentionDays,
    onChange: (listener) => void listeners.push(listener),
    take: (data) => {
      const given = data ?? {};
      const faults = [...strangers(given), ...faultsOf(given)];
      const text = JSON.stringify(given);
      if (faults.length > 0 || text === taken) return faults;
      now = tuned(config, given);
      // At `info`, so that it is seen, unless nothing should be.
      log.info({ component: "settings", names: Object.keys(given) }, "the settings changed");
      log.level = now.logLevel;
      taken = text;
      for (const tell of listeners) tell();
      return [];
    },
  };
}

/** The configuration of the start with what is given laid over it. */
function tuned(config: Config, given: Readonly<Record<string, string>>): Config {
  const said = readConfig(given);
  const has = (name: (typeof tunable)[number]) => (given[name] ?? "").trim() !== "";
  const { gemini, memory } = config;
  return {
    ...config,
    logLevel: has("LOG_LEVEL") ? said.logLevel : config.logLevel,
    gemini: {
      ...gemini,
      ...(has("GEMINI_REQUESTS_PER_MINUTE") ? { requestsPerMinute: said.gemini.requestsPerMinute } : {}),
      ...(has("GEMINI_TOKENS_PER_MINUTE") ? { tokensPerMinute: said.gemini.tokensPerMinute } : {}),
      ...(has("GEMINI_REQUESTS_PER_DAY") ? { requestsPerDay: said.gemini.requestsPerDay } : {}),
    },
    memory: has("MEMORY_RETENTION_DAYS") ? { ...memory, retentionDays: said.memory.retentionDays } : memory,
  };
}

function strangers(given: Readonly<Record<string, string>>): Fault[] {
  const names: readonly string[] = tunable;
  return Object.keys(given)
    .filter((name) => !names.includes(name))
    .map((where) => ({
      where,
      problem: "is nothing that may change while the process runs",
      remedy: `Set it in the environment of the pods; here are taken ${names.join(", ")}`,
    }));
}

function faultsOf(given: Readonly<Record<string, string>>): readonly Fault[] {
  try {
    readConfig(Object.fromEntries(tunable.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]))));
    return [];
  } catch (error) {
    if (error instanceof Misconfigured) return error.faults;
    throw error;
  }
}
