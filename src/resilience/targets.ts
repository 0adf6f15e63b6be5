import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";

type TargetName = "hot_memory_ms" | "cold_memory_ms" | "embedding_ms" | "error_rate";

/** One target as `/status` shows it. */
interface TargetReport {
  readonly target: number;
  /** p95 in milliseconds, or the share of failed turns, of the last five minutes; null while nothing was measured. */
  readonly measured: number | null;
  readonly samples: number;
  readonly breached: boolean;
}

/** What operators expect of the last five minutes. A breach is shown, measured and logged once; nothing is prevented. */
export interface Targets {
  observe(name: Exclude<TargetName, "error_rate">, ms: number): void;
  /** How a turn ended. */
  outcome(ok: boolean): void;
  /** Also notices what is over because time has passed. */
  report(): Readonly<Record<TargetName, TargetReport>>;
}

const windowMs = 300_000;
/** Under a busy load the window holds the last thousand values, and is shorter than five minutes. */
const maxSamples = 1_000;
/** One failed turn of three is bad luck and no rate. */
const leastOutcomes = 5;

interface Watched {
  readonly target: number;
  readonly least: number;
  readonly measure: (values: readonly number[]) => number;
  samples: { readonly atMs: number; readonly value: number }[];
  breached: boolean;
}

/** Watches the targets of the configuration. `now` is in milliseconds and never goes back. */
export function makeTargets(
  targets: { hotMemoryMs: number; coldMemoryMs: number; embeddingMs: number; errorRate: number },
  metrics: Metrics,
  log: Logger,
  now: () => number = () => performance.now(),
): Targets {
  const watch = (target: number, measure = p95, least = 1): Watched => ({
    target,
    measure,
    least,
    samples: [],
    breached: false,
  });
  const watched: Readonly<Record<TargetName, Watched>> = {
    hot_memory_ms: watch(targets.hotMemoryMs),
    cold_memory_ms: watch(targets.coldMemoryMs),
    embedding_ms: watch(targets.embeddingMs),
    error_rate: watch(targets.errorRate, mean, leastOutcomes),
  };
  const look = (name: TargetName): TargetReport => {
    const one = watched[name];
    one.samples = one.samples.filter(({ atMs }) => atMs > now() - windowMs);
    const { target, samples, least } = one;
    const measured = samples.length === 0 ? null : one.measure(samples.map(({ value }) => value));
    const breached = measured !== null && measured > target && samples.length >= least;
    if (breached !== one.breached) {
      const fields = { threshold: name, target, measured };
      if (breached) log.warn(fields, `${name} is over its target`);
      else log.info(fields, `${name} is within its target again`);
    }
    one.breached = breached;
    metrics.thresholdBreached.set({ threshold: name }, breached ? 1 : 0);
    return {
      target,
      measured: measured === null ? null : Math.round(measured * 1_000) / 1_000,
      samples: samples.length,
      breached,
    };
  };
  const add = (name: TargetName, value: number) => {
    const { samples } = watched[name];
    samples.push({ atMs: now(), value });
    if (samples.length > maxSamples) samples.shift();
    look(name);
  };
  return {
    observe: add,
    outcome: (ok) => add("error_rate", ok ? 0 : 1),
    report: () => ({
      hot_memory_ms: look("hot_memory_ms"),
      cold_memory_ms: look("cold_memory_ms"),
      embedding_ms: look("embedding_ms"),
      error_rate: look("error_rate"),
    }),
  };
}

function p95(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? 0;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
