import { pino } from "pino";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeMetrics } from "../../src/metrics.ts";
import { isModelFailure } from "../../src/model/failures.ts";
import { makeGemini } from "../../src/model/gemini.ts";
import { makeGovernor, type Governor } from "../../src/model/governor.ts";
import { makeBreaker } from "../../src/resilience/policies.ts";
import { makeInProcessRateLimits } from "../../src/resilience/rate-limits-in-process.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import { patient, requestFor } from "./requests.ts";

let simulator: Simulator;
let metrics: ReturnType<typeof makeMetrics>;
let governor: Governor;

beforeEach(async () => {
  simulator = await startGeminiSimulator({ requestsPerMinute: 15 });
  metrics = makeMetrics();
  const limits = makeInProcessRateLimits({
    limits: () => ({ requestsPerMinute: 15, tokensPerMinute: null, requestsPerDay: null }),
    now: () => Date.now(),
  });
  const model = makeGemini({
    apiKey: "canary-key",
    model: "gemini-3.5-flash-lite",
    embeddingModel: "gemini-embedding-001",
    embeddingDimensions: 768,
    baseUrl: simulator.url,
  });
  const breaker = makeBreaker({ name: "gemini_api", failureThreshold: 3, recoveryMs: 30_000, counts: isModelFailure });
  governor = makeGovernor({ model, limits, breaker, metrics, log: pino({ level: "silent" }), patienceMs: 1_000 });
});
afterEach(() => simulator.stop());

it("fifty messages at once cost fifteen calls in the first minute, and the rest are told when, one batch after the other", async () => {
  const answers = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) => governor.generate(requestFor(String(index)), patient)),
  );
  expect(answers.filter((answer) => answer.status === "fulfilled")).toHaveLength(15);
  expect(simulator.requests).toHaveLength(15);
  expect(simulator.violations).toEqual([]);
  const waits = answers.flatMap((answer) =>
    answer.status === "rejected" ? [(answer.reason as { disposition: { afterMs: number } }).disposition.afterMs] : [],
  );
  const minutes = Object.values(Object.groupBy(waits, (ms) => Math.round(ms / 61_000))).map((group) => group?.length);
  expect(minutes).toEqual([15, 15, 5]);
});

it("a hiccup of the API is overcome, and three in a row open the breaker", async () => {
  simulator.script({ fault: "503" }, { fault: "502-html" });
  await expect(governor.generate(requestFor("Hello"), patient)).resolves.toMatchObject({ kind: "text" });
  expect(simulator.requests).toHaveLength(3);
  simulator.script({ fault: "reset", times: 3 });
  await expect(governor.generate(requestFor("Hello"), patient)).rejects.toMatchObject({ code: "model_unavailable" });
  expect(governor.breaker.report()).toMatchObject({ state: "open", failure_count: 3 });
  const written = await metrics.registry.metrics();
  expect(written).toContain('discord_agent_gemini_api_calls_total{operation="generate",status="model_unavailable"} 5');
  expect(written).toContain('discord_agent_circuit_breaker_state{breaker="gemini_api"} 2');
  expect(written).not.toContain("canary");
});
