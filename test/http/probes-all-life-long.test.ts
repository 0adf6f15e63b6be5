import { EventEmitter } from "node:events";
import { expect, it, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { makeHealthServer, type HealthServer } from "../../src/http/health-server.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { runComponents, type Run } from "../../src/lifecycle/run.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeTargets } from "../../src/resilience/targets.ts";
import { log } from "./open-server.ts";

async function probe(http: HealthServer, path: string): Promise<number> {
  return (await fetch(`${http.url()}${path}`)).status;
}

it("probes are answered while parts start, run and drain; readiness is true only in between", async () => {
  const [started, drained] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow: Component = { name: "slow", start: () => started.promise, stop: () => drained.promise };
  const metrics = makeMetrics();
  const components: Component[] = [];
  const http = makeHealthServer({
    host: "127.0.0.1",
    port: 0,
    whenTaken: "fail",
    version: "1",
    environment: "test",
    components: () => components,
    lifecycle: {
      isReady: () => run.isReady(),
      hasStarted: (component) => run.hasStarted(component),
      obstacleOf: (component) => run.obstacleOf(component),
      failedForGood: () => run.failedForGood(),
    },
    breakers: () => ({}),
    targets: makeTargets(readConfig({}).targets, metrics, log),
    statusToken: null,
    configuration: () => ({}),
    extraStatus: {},
    metrics,
    log,
  });
  components.push(http, slow);
  const signals = new EventEmitter();
  const run: Run = runComponents({
    components,
    waits: false,
    drainDeadlineMs: 10_000,
    log,
    signals,
    exit: () => {},
    complain: () => {},
  });
  await vi.waitFor(() => expect(http.url()).not.toBeNull());
  const probes = async () => [
    await probe(http, "/health/live"),
    await probe(http, "/health/ready"),
    await probe(http, "/health"),
  ];
  expect(await probes()).toEqual([200, 503, 503]);
  started.resolve();
  await vi.waitFor(() => expect(run.isReady()).toBe(true));
  expect(await probes()).toEqual([200, 200, 200]);
  signals.emit("SIGTERM");
  expect(await probes()).toEqual([200, 503, 503]);
  const { url } = { url: http.url() };
  drained.resolve();
  expect(await run.ended).toBe(0);
  await expect(fetch(`${url}/health/live`)).rejects.toThrow("fetch failed");
});
