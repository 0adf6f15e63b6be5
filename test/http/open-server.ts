import { afterEach, expect } from "vitest";
import { readConfig, showConfig } from "../../src/config.ts";
import { makeHealthServer, type HealthServer, type HealthServerOptions } from "../../src/http/health-server.ts";
import type { Check, Component } from "../../src/lifecycle/component.ts";
import { makeLogger } from "../../src/log.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeTargets } from "../../src/resilience/targets.ts";

export const canary = "canary-5e1f";
export const lines: string[] = [];
export const log = makeLogger("debug", { write: (line: string) => void lines.push(line) });
export const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
  lines.length = 0;
});

export function part(name: string, check?: () => Promise<Check>): Component {
  return { name, start: async () => {}, stop: async () => {}, ...(check && { check }) };
}

export async function openServer(
  change: Partial<HealthServerOptions> = {},
): Promise<HealthServer & { get: (path: string, init?: RequestInit) => ReturnType<typeof request>; at: string }> {
  const metrics = makeMetrics();
  const config = readConfig({ GEMINI_API_KEY: canary, POSTGRESQL_URL: `postgres://me:${canary}@db/x` });
  const server = makeHealthServer({
    host: "127.0.0.1",
    port: 0,
    whenTaken: "fail",
    version: "1.2.3",
    environment: "test",
    components: () => [part("postgres")],
    lifecycle: { isReady: () => true, hasStarted: () => true, obstacleOf: () => null, failedForGood: () => null },
    breakers: () => ({ gemini_api: { state: "closed", failure_count: 0, last_failure: null } }),
    targets: makeTargets(config.targets, metrics, log),
    statusToken: null,
    configuration: () => showConfig(config),
    extraStatus: { inbox: () => ({ waiting: 0 }) },
    metrics,
    log,
    ...change,
  });
  await server.start(AbortSignal.timeout(5_000), () => {});
  undo.push(() => server.stop(AbortSignal.timeout(1_000)));
  const at = server.url() ?? "";
  return Object.assign(server, { at, get: (path: string, init?: RequestInit) => request(at + path, init) });
}

async function request(
  url: string,
  init?: RequestInit,
): Promise<{ code: number; headers: Headers; text: string; json: Record<string, unknown> }> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true && text !== "";
  return { code: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
}

export const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
