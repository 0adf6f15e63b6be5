import { describe, expect, it, vi } from "vitest";
import type { Check } from "../../src/lifecycle/component.ts";
import { canary, openServer, part, time } from "./open-server.ts";

describe("/health", () => {
  it("shows every component with its details", async () => {
    const { get } = await openServer({
      components: () => [part("http"), part("settings", async () => ({ status: "degraded", details: { refused: 1 } }))],
    });
    const { code, json } = await get("/health");
    expect(code).toBe(200);
    expect(json).toEqual({
      status: "degraded",
      timestamp: time,
      version: "1.2.3",
      components: {
        http: { status: "healthy", response_time_ms: expect.any(Number), last_check: time, details: {} },
        settings: {
          status: "degraded",
          response_time_ms: expect.any(Number),
          last_check: time,
          details: { refused: 1 },
        },
      },
    });
  });

  it.each([
    ["says it is unhealthy", async () => ({ status: "unhealthy" }) as const],
    ["throws", async () => Promise.reject(new Error(`connect to ${canary}`))],
    ["hangs", () => new Promise<never>(() => {})],
  ])("is 503, and so is /health/ready, when a part %s", async (_name, check) => {
    const { get } = await openServer({ components: () => [part("redis", check), part("postgres")] });
    const startedMs = performance.now();
    const [health, ready] = await Promise.all([get("/health"), get("/health/ready")]);
    expect(performance.now() - startedMs).toBeLessThan(1_500);
    expect([health.code, health.json["status"]]).toEqual([503, "unhealthy"]);
    expect([ready.code, ready.json]).toEqual([
      503,
      { ready: false, components: { redis: false, postgres: true }, timestamp: time },
    ]);
    expect(health.text).not.toContain(canary);
  });

  it("asks the parts in parallel, and once a second however many ask", async () => {
    const asked = vi.fn(async (): Promise<Check> => ({ status: "healthy" }));
    const { get } = await openServer({ components: () => [part("a", asked), part("b", asked)] });
    await Promise.all(Array.from({ length: 10 }, () => get("/health")));
    expect(asked).toHaveBeenCalledTimes(2);
    await vi.waitFor(
      async () => {
        await get("/health");
        expect(asked).toHaveBeenCalledTimes(4);
      },
      { timeout: 3_000, interval: 100 },
    );
  });
});

it("/health says of a part that has not started what it waits for", async () => {
  const lifecycle = { isReady: () => false, hasStarted: () => false, failedForGood: () => null };
  const { get } = await openServer({ lifecycle: { ...lifecycle, obstacleOf: () => "the server is away" } });
  const reason = "it cannot start yet: the server is away";
  expect((await get("/health")).json).toMatchObject({ components: { postgres: { details: { reason } } } });
  expect((await get("/status")).json).toMatchObject({ impaired: { postgres: { details: { reason } } } });
});

describe("/health/ready", () => {
  it("turns with the life of the process at once: starting, ready, stopping", async () => {
    let [started, ready] = [false, false];
    const { get } = await openServer({
      lifecycle: { isReady: () => ready, hasStarted: () => started, obstacleOf: () => null, failedForGood: () => null },
    });
    expect((await get("/health/ready")).json).toEqual({
      ready: false,
      components: { postgres: false },
      timestamp: time,
    });
    [started, ready] = [true, true];
    expect(await get("/health/ready")).toMatchObject({
      code: 200,
      json: { ready: true, components: { postgres: true } },
    });
    ready = false;
    expect(await get("/health/ready")).toMatchObject({ code: 503, json: { ready: false } });
  });

  it("holds while something is merely degraded", async () => {
    const { get } = await openServer({ components: () => [part("settings", async () => ({ status: "degraded" }))] });
    expect((await get("/health/ready")).code).toBe(200);
  });
});

describe("/health/live", () => {
  it("asks nobody: an outage of a dependency does not restart the fleet", async () => {
    const check = vi.fn(() => new Promise<never>(() => {}));
    const { get } = await openServer({ components: () => [part("postgres", check)] });
    expect(await get("/health/live")).toMatchObject({
      code: 200,
      json: { status: "alive", timestamp: time, uptime_seconds: expect.any(Number) },
    });
    expect(check).not.toHaveBeenCalled();
  });

  it("is 503 when a part has failed for good", async () => {
    const { get } = await openServer({
      lifecycle: { isReady: () => true, hasStarted: () => true, obstacleOf: () => null, failedForGood: () => "inbox" },
    });
    expect((await get("/health/live")).code).toBe(503);
  });
});

describe("/status", () => {
  it("is whole and holds no secret", async () => {
    const server = await openServer();
    const { json, text } = await server.get("/status");
    expect(json).toMatchObject({
      timestamp: time,
      overall_health: "healthy",
      impaired: {},
      circuit_breakers: { gemini_api: { state: "closed", failure_count: 0, last_failure: null } },
      thresholds: { cold_memory_ms: {}, embedding_ms: {} },
      system: {
        environment: "test",
        version: "1.2.3",
        uptime_seconds: expect.any(Number),
        memory_usage: { rss: expect.any(Number) },
        configuration: { gemini: { apiKey: "set" }, redis: { url: "not set" } },
      },
      inbox: { waiting: 0 },
    });
    expect(text).not.toContain(canary);
    expect(Object.keys(await server.status(AbortSignal.timeout(1_000)))).toEqual(Object.keys(json));
  });

  it("is served without a part that cannot report", async () => {
    const broken = async () => Promise.reject(new Error(canary));
    const { get } = await openServer({ extraStatus: { inbox: broken, model: () => ({ name: "m" }) } });
    const { code, json, text } = await get("/status");
    expect(code).toBe(200);
    expect(json).toMatchObject({ inbox: null, model: { name: "m" }, incomplete: ["inbox"] });
    expect(text).not.toContain(canary);
  });
});
