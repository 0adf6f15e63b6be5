import { describe, expect, it, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { makeLogger } from "../../src/log.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeTargets } from "../../src/resilience/targets.ts";
import { log, openServer } from "./open-server.ts";

describe("/metrics", () => {
  it("is Prometheus text, OpenMetrics when asked for, and neither spoils the other", async () => {
    const metrics = makeMetrics();
    metrics.geminiCalls.inc({ operation: "generate", status: "ok" });
    const { get } = await openServer({ metrics });
    const openMetrics =
      "application/openmetrics-text; version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (let round = 0; round < 2; round += 1) {
      const plain = await get("/metrics");
      expect(plain.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
      expect(plain.text).toContain("# TYPE discord_agent_gemini_api_calls_total counter\n");
      expect(plain.text).toContain('discord_agent_gemini_api_calls_total{operation="generate",status="ok"} 1\n');
      const answer = await get("/metrics", { headers: { accept: openMetrics } });
      expect(answer.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
      expect(answer.text).toContain("# TYPE discord_agent_gemini_api_calls counter\n");
      expect(answer.text).toContain('discord_agent_gemini_api_calls_total{operation="generate",status="ok"} 1\n');
      expect(answer.text).toMatch(/[^\n]\n# EOF\n$/);
    }
  });

  it("counts messages that were given up from 0 on: Prometheus sees no rise in a counter that begins with its first one", async () => {
    const { get } = await openServer();
    expect((await get("/metrics")).text).toContain(
      'discord_agent_messages_total{message_type="buried",agent="none"} 0\n',
    );
  });

  it("measures the process when it is read: memory, and how late the event loop was", async () => {
    const { get } = await openServer();
    const lag = async () =>
      Number(/^discord_agent_event_loop_lag_seconds (\S+)$/m.exec((await get("/metrics")).text)?.[1]);
    await vi.waitFor(async () => {
      const blockedMs = performance.now();
      while (performance.now() - blockedMs < 300);
      expect(await lag()).toBeGreaterThan(0.2);
    });
    const { text } = await get("/metrics");
    expect(Number(/process_memory_bytes\{kind="rss"\} (\d+)/.exec(text)?.[1])).toBeGreaterThan(1e7);
  });

  it("and /status show a breached target", async () => {
    const metrics = makeMetrics();
    const targets = makeTargets(readConfig({}).targets, metrics, log);
    const { get } = await openServer({ metrics, targets });
    targets.observe("hot_memory_ms", 250);
    expect((await get("/metrics")).text).toContain('discord_agent_threshold_breached{threshold="hot_memory_ms"} 1');
    expect((await get("/status")).json).toMatchObject({
      thresholds: {
        hot_memory_ms: { target: 100, measured: 250, samples: 1, breached: true },
        error_rate: { measured: null, breached: false },
      },
    });
  });
});

describe("targets", () => {
  function watch() {
    const metrics = makeMetrics();
    const logged: Record<string, unknown>[] = [];
    const clock = { ms: 0 };
    const logger = makeLogger("info", { write: (line: string) => void logged.push(JSON.parse(line)) });
    const targets = makeTargets(readConfig({}).targets, metrics, logger, () => clock.ms);
    const gauge = async () =>
      (await metrics.thresholdBreached.get()).values
        .filter(({ value }) => value === 1)
        .map(({ labels }) => labels.threshold);
    return { targets, logged, clock, gauge };
  }

  it("tell of a breach once, and once when it is over", async () => {
    const { targets, logged, clock, gauge } = watch();
    for (let i = 0; i < 20; i += 1) targets.observe("cold_memory_ms", 5_000);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatchObject({ level: "warn", threshold: "cold_memory_ms", target: 3_000, measured: 5_000 });
    expect(await gauge()).toEqual(["cold_memory_ms"]);
    clock.ms += 300_001;
    expect(targets.report().cold_memory_ms).toEqual({ target: 3_000, measured: null, samples: 0, breached: false });
    expect(logged.slice(1)).toMatchObject([{ level: "info", threshold: "cold_memory_ms" }]);
    expect(await gauge()).toEqual([]);
  });

  it("look at the p95: one slow call of a hundred is none", () => {
    const { targets } = watch();
    targets.observe("embedding_ms", 60_000);
    for (let i = 0; i < 99; i += 1) targets.observe("embedding_ms", 10 + i / 100);
    expect(targets.report().embedding_ms).toMatchObject({ measured: 10.94, samples: 100, breached: false });
  });

  it("take a share of failed turns from five turns on, and forget by age and by number", () => {
    const { targets, clock } = watch();
    targets.outcome(false);
    expect(targets.report().error_rate).toEqual({ target: 0.05, measured: 1, samples: 1, breached: false });
    for (let i = 0; i < 4; i += 1) targets.outcome(true);
    expect(targets.report().error_rate).toEqual({ target: 0.05, measured: 0.2, samples: 5, breached: true });
    for (let i = 0; i < 2_000; i += 1) targets.outcome(true);
    expect(targets.report().error_rate).toEqual({ target: 0.05, measured: 0, samples: 1_000, breached: false });
    clock.ms += 299_999;
    expect(targets.report().error_rate.samples).toBe(1_000);
  });
});
