import type { Check, Component } from "../lifecycle/component.ts";

const timeoutMs = 500;
const cacheMs = 1_000;

/** One component as `/health` shows it. */
interface ComponentHealth {
  readonly status: Check["status"];
  readonly response_time_ms: number;
  /** ISO 8601. */
  readonly last_check: string;
  readonly details: NonNullable<Check["details"]>;
}

export interface HealthReport {
  readonly status: Check["status"];
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/** What is known of the parts that do not run yet. */
interface Lifecycle {
  hasStarted(component: Component): boolean;
  obstacleOf(component: Component): string | null;
}

/** Asks every component how it is, all at once; an answer holds for a second, however many ask. Never rejects. */
export function makeChecks(components: () => readonly Component[], lifecycle: Lifecycle): () => Promise<HealthReport> {
  let last: { readonly atMs: number; readonly started: string; readonly report: Promise<HealthReport> } | null = null;
  return () => {
    const parts = components();
    // What starts or stops is seen at once, not a second later.
    const started = parts
      .filter((part) => lifecycle.hasStarted(part))
      .map(({ name }) => name)
      .join(" ");
    if (last === null || last.started !== started || performance.now() - last.atMs > cacheMs) {
      last = { atMs: performance.now(), started, report: checkAll(parts, lifecycle) };
    }
    return last.report;
  };
}

async function checkAll(parts: readonly Component[], lifecycle: Lifecycle): Promise<HealthReport> {
  const entries = await Promise.all(
    parts.map(async (part) => {
      const startedMs = performance.now();
      const { status, details } = lifecycle.hasStarted(part)
        ? await checkOne(part)
        : notStarted(lifecycle.obstacleOf(part));
      const response_time_ms = Math.round((performance.now() - startedMs) * 10) / 10;
      return [
        part.name,
        { status, response_time_ms, last_check: new Date().toISOString(), details: details ?? {} },
      ] as const;
    }),
  );
  const statuses = new Set(entries.map(([, { status }]) => status));
  const worst = (["unhealthy", "degraded"] as const).find((status) => statuses.has(status));
  return { status: worst ?? "healthy", components: Object.fromEntries(entries) };
}

const healthy: Check = { status: "healthy" };
const notStarted = (obstacle: string | null): Check => ({
  status: "unhealthy",
  details: { reason: obstacle === null ? "it is not running" : `it cannot start yet: ${obstacle}` },
});

async function checkOne(part: Component): Promise<Check> {
  const overrun = Promise.withResolvers<Check>();
  const giveUp = new AbortController();
  const timer = setTimeout(() => {
    giveUp.abort();
    overrun.resolve({ status: "unhealthy", details: { reason: `its check took longer than ${timeoutMs} ms` } });
  }, timeoutMs);
  try {
    return await Promise.race([part.check?.(giveUp.signal) ?? healthy, overrun.promise]);
  } catch {
    // The error itself may name hosts or hold credentials, and whoever failed has logged it.
    return { status: "unhealthy", details: { reason: "its check failed" } };
  } finally {
    clearTimeout(timer);
  }
}
