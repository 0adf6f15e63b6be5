import type { Config } from "../config.ts";
import type { Guard } from "../connections/guard.ts";
import { isDiscordFailure } from "../discord/failures.ts";
import { ForeseenError } from "../errors.ts";
import type { Metrics } from "../metrics.ts";
import { isModelFailure } from "../model/failures.ts";
import { makeBreaker, type Breaker } from "../resilience/policies.ts";

/** One for each dependency, so that none is asked in vain while it is known to be away. */
export type Breakers = Readonly<Record<"memory" | "gemini" | "postgres" | "redis" | "discord", Breaker>> & {
  /** Null: there is no fallback model. */
  readonly fallback: Breaker | null;
};

/** Builds them; `/metrics` has their states. */
export function makeBreakers(config: Config, metrics: Metrics): Breakers {
  const states = { closed: 0, half_open: 1, open: 2 };
  const make = (name: string, failureThreshold: number, recoveryMs: number, counts: (error: unknown) => boolean) => {
    metrics.breakerState.set({ breaker: name }, 0);
    return makeBreaker({
      name,
      failureThreshold,
      recoveryMs,
      counts,
      onChange: (state) => metrics.breakerState.set({ breaker: name }, states[state]),
    });
  };
  return {
    memory: make("memory_operations", config.breaker.failureThreshold, config.breaker.recoveryMs, () => true),
    gemini: make("gemini_api", 3, 30_000, isModelFailure),
    fallback: config.gemini.fallbackModel === null ? null : make("gemini_fallback", 3, 30_000, isModelFailure),
    // These come back within moments, and somebody always asks: what matters is that nobody waits for them meanwhile.
    postgres: make("postgres", 5, 1_000, isServerFailure),
    redis: make("redis", 5, 1_000, isServerFailure),
    discord: make("discord_api", 5, 2_000, isDiscordFailure),
  };
}

/** By their names, as `/status` has them. */
export function reportsOf(breakers: Breakers) {
  const all = Object.values(breakers).filter((breaker) => breaker !== null);
  return Object.fromEntries(all.map((breaker) => [breaker.name, breaker.report()]));
}

const isServerFailure = (error: unknown) =>
  error instanceof ForeseenError && /^(?:database_(?:unreachable|full|busy)|redis_unreachable)$/.test(error.code);
const never = new AbortController().signal;
/** What a connection stands behind; it is never told to give up. */
export const guardOf =
  (breaker: Breaker): Guard =>
  (work) =>
    breaker.execute(work, never);
