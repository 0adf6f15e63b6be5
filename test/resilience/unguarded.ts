import { makeBreaker, type Breaker } from "../../src/resilience/policies.ts";

/** A guard that lets everything through. */
export const unguarded = <T>(work: () => Promise<T>): Promise<T> => work();

/** A breaker that never opens. */
export const neverOpen = (): Breaker =>
  makeBreaker({ name: "none", failureThreshold: 1_000_000, recoveryMs: 1, counts: () => false });
