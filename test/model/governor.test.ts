import * as fc from "fast-check";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Priority } from "../../src/envelope.ts";
import type { makeMetrics } from "../../src/metrics.ts";
import { ModelQuota, modelMisconfigured, modelUnavailable } from "../../src/model/failures.ts";
import { estimateTokens, makeGovernor } from "../../src/model/governor.ts";
import type { Wait } from "../../src/model/model.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { makeInProcessRateLimits } from "../../src/resilience/rate-limits-in-process.ts";
import { blocked, noon, openGoverned as open, text, type Reaction } from "./governed.ts";
import { patient, requestFor } from "./requests.ts";

beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(() => void vi.useRealTimers());

const failing = (failure: unknown) => (): Promise<never> => Promise.reject(failure);
const down = () => failing(modelUnavailable("the API answered 503"));
const valueOf = async (metrics: ReturnType<typeof makeMetrics>, line: string) =>
  (await metrics.registry.metrics())
    .split("\n")
    .find((one) => one.startsWith(`discord_agent_${line} `))
    ?.split(" ")
    .at(-1);

const speakAndFail: Reaction = async (request) => {
  request.onText?.("Hel");
  throw modelUnavailable("its stream ended");
};

describe("under the provider's limits", () => {
  it("no minute ever sees more calls than allowed, whatever arrives when, and the last estimate told was true", async () => {
    const arrival = fc.record({
      gap: fc.nat(8_000),
      priority: fc.constantFrom<Priority>("mention", "reply", "ambient", "background"),
      scope: fc.constantFrom("1", "2", "3"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(arrival, { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        async (arrivals, requestsPerMinute) => {
          vi.setSystemTime(noon);
          const { governor, calls } = open({ limits: { requestsPerMinute }, patienceMs: Infinity });
          const promised = new Map<string, number>();
          const answers: Promise<unknown>[] = [];
          for (const [index, { gap, priority, scope }] of arrivals.entries()) {
            await vi.advanceTimersByTimeAsync(gap);
            const onWait = (wait: Wait) => promised.set(String(index), Date.now() - noon + wait.waitMs);
            answers.push(governor.generate(requestFor(String(index), { priority, scope, onWait }), patient));
          }
          await vi.runAllTimersAsync();
          await Promise.all(answers);
          expect(calls).toHaveLength(arrivals.length);
          for (const { at, message } of calls) {
            expect(calls.filter((other) => other.at > at - 60_000 && other.at <= at).length).toBeLessThanOrEqual(
              requestsPerMinute,
            );
            expect(Math.abs((promised.get(message) ?? at) - at)).toBeLessThanOrEqual(2_000);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("a caller that has to wait hears at once how long and behind how many", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 2 }, patienceMs: 600_000 });
    const waits: Wait[][] = [[], [], [], [], []];
    for (const told of waits)
      void governor.generate(requestFor("Hello", { onWait: (wait) => told.push(wait) }), patient);
    await vi.advanceTimersByTimeAsync(0);
    const reason = "requests_per_minute";
    expect(waits).toEqual([
      [],
      [],
      [{ waitMs: 61_000, ahead: 0, reason }],
      [{ waitMs: 61_000, ahead: 1, reason }],
      [{ waitMs: 122_000, ahead: 2, reason }],
    ]);
    await vi.runAllTimersAsync();
    expect(calls.map(({ at }) => Math.round(at / 1_000))).toEqual([0, 0, 61, 61, 122]);
    expect(waits.map((told) => told.length)).toEqual([0, 0, 1, 1, 1]);
  });

  it("a mention goes before what came earlier and matters less, and who is overtaken hears the new time", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 1 }, patienceMs: 600_000 });
    const told: number[] = [];
    void governor.generate(requestFor("first"), patient);
    void governor.generate(requestFor("background", { priority: "background" }), patient);
    void governor.generate(
      requestFor("ambient", { priority: "ambient", onWait: (wait) => told.push(wait.waitMs) }),
      patient,
    );
    await vi.advanceTimersByTimeAsync(1_000);
    void governor.generate(requestFor("mention"), patient);
    void governor.generate(requestFor("reply", { priority: "reply" }), patient);
    await vi.runAllTimersAsync();
    expect(calls.map(({ message }) => message)).toEqual(["first", "mention", "reply", "ambient", "background"]);
    expect(told).toEqual([61_000, 182_000]);
  });

  it("who would wait longer than it is patient is refused at once with the true time, and the next with a later one", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 1 }, patienceMs: 30_000 });
    await governor.generate(requestFor("first"), patient);
    const refusals = ["second", "third"].map((name) =>
      governor.generate(requestFor(name), patient).catch((error: unknown) => error),
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(await refusals[0]).toMatchObject({
      code: "model_quota",
      limit: "minute",
      disposition: { kind: "retry", afterMs: 61_000 },
    });
    expect(await refusals[1]).toMatchObject({ disposition: { afterMs: 122_000 } });
    await vi.advanceTimersByTimeAsync(61_000);
    await governor.generate(requestFor("second"), patient);
    await vi.advanceTimersByTimeAsync(61_000);
    await governor.generate(requestFor("third"), patient);
    expect(calls.map(({ message }) => message)).toEqual(["first", "second", "third"]);
  });

  it("a caller whose time is over leaves the line, and the others move up", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 1 }, patienceMs: 600_000 });
    const stop = new AbortController();
    const told: number[] = [];
    void governor.generate(requestFor("first"), patient);
    const second = governor.generate(requestFor("second"), stop.signal).catch((error: unknown) => error);
    void governor.generate(requestFor("third", { onWait: (wait) => told.push(wait.waitMs) }), patient);
    await vi.advanceTimersByTimeAsync(1_000);
    stop.abort();
    expect(await second).toMatchObject({ code: "model_deadline" });
    await vi.runAllTimersAsync();
    expect(calls.map(({ message }) => message)).toEqual(["first", "third"]);
    expect(told).toEqual([122_000, 60_000]);
    expect(governor.waiting()).toBe(0);
  });

  it("tokens are counted as the provider counted them, not as they were guessed", async () => {
    const { governor, calls } = open({ limits: { tokensPerMinute: 100 } });
    const request = requestFor("Hello", { prompt: "x".repeat(320) });
    for (let call = 0; call < 2; call += 1) await governor.generate(request, patient);
    expect(calls.map(({ at }) => at)).toEqual([0, 0]);
  });

  it("another model has a counter of its own, and so have embeddings", async () => {
    const { governor, calls, embeds } = open({ limits: { requestsPerMinute: 1 } });
    await governor.generate(requestFor("Hello"), patient);
    await governor.generate(requestFor("Hello", { model: "pro" }), patient);
    await governor.embed({ texts: ["a"], task: "query", priority: "mention" }, patient);
    expect([calls.length, embeds.length]).toEqual([2, 1]);
  });

  it("an offline model passes without any limit", async () => {
    const { metrics, governor } = open({ limits: { requestsPerMinute: 1 } });
    const log = pino({ level: "silent" });
    const limits = makeInProcessRateLimits({
      limits: () => ({ requestsPerMinute: 0, tokensPerMinute: 0, requestsPerDay: 0 }),
      now: Date.now,
    });
    const offline = makeGovernor({ model: makeOffline(), limits, breaker: governor.breaker, metrics, log });
    await expect(offline.generate(requestFor("Hello"), patient)).resolves.toMatchObject({ kind: "text" });
    await expect(offline.embed({ texts: ["a"], task: "query", priority: "mention" }, patient)).resolves.toHaveLength(1);
  });
});

describe("when a call fails", () => {
  it("a failed call is repeated at most twice, and the last failure is told", async () => {
    const { governor, calls } = open({ reactions: [down(), down(), down()] });
    const answer = governor.generate(requestFor("Hello"), patient).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await answer).toMatchObject({ code: "model_unavailable", disposition: { kind: "retry" } });
    expect(calls).toHaveLength(3);
  });

  it("each try passes the limits like any other call", async () => {
    const { governor, calls } = open({ limits: { requestsPerMinute: 1 }, patienceMs: 100_000, reactions: [down()] });
    const answer = governor.generate(requestFor("Hello"), patient);
    await vi.runAllTimersAsync();
    await expect(answer).resolves.toEqual(text);
    expect(calls.map(({ at }) => Math.round(at / 1_000))).toEqual([0, 61]);
  });

  it("an answer that broke off is begun anew, and the text so far is declared void before", async () => {
    const { governor, calls } = open({ reactions: [speakAndFail] });
    const told: string[] = [];
    const request = requestFor("Hello", { onText: (delta) => told.push(delta), onRestart: () => told.push("void") });
    const answer = governor.generate(request, patient);
    await vi.runAllTimersAsync();
    expect(await answer).toEqual(text);
    expect([told.slice(0, 2), calls.length]).toEqual([["Hel", "void"], 2]);
  });

  it.each([
    ["a misconfiguration", modelMisconfigured("bad key", "Set it.")],
    ["a bug", new TypeError("undefined is not a function")],
    ["a limit of the day", new ModelQuota("day", 3_600_000, "provider")],
  ])("%s is not repeated", async (_, error) => {
    const { governor, calls } = open({ reactions: [failing(error)] });
    await expect(governor.generate(requestFor("Hello"), patient)).rejects.toBe(error);
    expect(calls).toHaveLength(1);
  });

  it("no further try is made when the time is over", async () => {
    const { governor, calls } = open({ reactions: [down(), down(), down()] });
    const stop = new AbortController();
    const answer = governor.generate(requestFor("Hello"), stop.signal).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(0);
    stop.abort();
    expect(await answer).toMatchObject({ code: "model_deadline" });
    await vi.runAllTimersAsync();
    expect(calls).toHaveLength(1);
  });

  it("three failures in a row keep all calls away for 30 s, and then one probes", async () => {
    const { governor, calls, metrics } = open({ reactions: [down(), down(), down()] });
    const failed = governor.generate(requestFor("Hello"), patient).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(5_000);
    await failed;
    const brokenAt = calls.at(-1)?.at ?? 0;
    const afterMs = brokenAt + 30_000 - (Date.now() - noon);
    await expect(governor.generate(requestFor("Hello"), patient)).rejects.toMatchObject({
      code: "model_unavailable",
      disposition: { kind: "retry", afterMs },
    });
    expect(calls).toHaveLength(3);
    expect(await valueOf(metrics, 'circuit_breaker_state{breaker="gemini_api"}')).toBe("2");
    await vi.advanceTimersByTimeAsync(30_000);
    await expect(governor.generate(requestFor("Hello"), patient)).resolves.toEqual(text);
    expect(await valueOf(metrics, 'circuit_breaker_state{breaker="gemini_api"}')).toBe("0");
  });

  it("blocks and quotas do not open the breaker", async () => {
    const quota = failing(new ModelQuota("day", 1, "provider"));
    const reactions = Array.from({ length: 9 }, (_, index) => (index % 2 === 0 ? quota : async () => blocked));
    const { governor, calls } = open({ reactions });
    for (let call = 0; call < 9; call += 1) {
      await governor.generate(requestFor("Hello"), patient).catch(() => null);
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(governor.breaker.report().state).toBe("closed");
    expect(calls).toHaveLength(9);
  });
});

describe("when the provider says that a limit is used up", () => {
  it("of a minute, everyone waits as long as it said, and then goes on", async () => {
    const { governor, calls } = open({ reactions: [failing(new ModelQuota("minute", 34_000, "provider"))] });
    const waits: Wait[] = [];
    const answer = governor.generate(requestFor("first", { onWait: (wait) => waits.push(wait) }), patient);
    await vi.advanceTimersByTimeAsync(1_000);
    void governor.generate(requestFor("second"), patient);
    await vi.runAllTimersAsync();
    await expect(answer).resolves.toEqual(text);
    expect(calls.map(({ at }) => Math.round(at / 1_000))).toEqual([0, 34, 34]);
    expect(waits[0]?.waitMs).toBeGreaterThan(33_000);
  });

  it("of a day, nothing goes out before the day is over, and everyone is told so", async () => {
    const midnight = Date.parse("2026-06-02T07:00:00Z");
    const { governor, calls } = open({ reactions: [failing(new ModelQuota("day", midnight - noon, "provider"))] });
    await expect(governor.generate(requestFor("Hello"), patient)).rejects.toMatchObject({ limit: "day" });
    await vi.advanceTimersByTimeAsync(60_000);
    const next = governor.generate(requestFor("Hello"), patient);
    await expect(next).rejects.toMatchObject({ limit: "day", disposition: { afterMs: midnight - noon - 60_000 } });
    expect(calls).toHaveLength(1);
  });
});

describe("what is counted", () => {
  it("every call that went out, by outcome, its tokens, and how long it waited", async () => {
    const { governor, metrics } = open({ reactions: [async () => blocked, failing(modelMisconfigured("a", "b"))] });
    for (let call = 0; call < 3; call += 1) await governor.generate(requestFor("Hello"), patient).catch(() => null);
    await governor.embed({ texts: ["a"], task: "document", priority: "mention" }, patient);
    const expected = {
      'gemini_api_calls_total{operation="generate",status="success"}': "1",
      'gemini_api_calls_total{operation="generate",status="blocked"}': "1",
      'gemini_api_calls_total{operation="generate",status="model_misconfigured"}': "1",
      'gemini_api_calls_total{operation="embed",status="success"}': "1",
      'gemini_api_duration_seconds_count{operation="generate"}': "3",
      'tokens_total{direction="input"}': "20",
      'tokens_total{direction="output"}': "10",
      'tokens_total{direction="cached"}': "4",
      'quota_wait_seconds_count{priority="mention"}': "3",
      'quota_wait_seconds_count{priority="background"}': "1",
      'system_errors_total{error_type="model_misconfigured",component="model"}': "1",
    };
    for (const [line, value] of Object.entries(expected))
      expect([line, await valueOf(metrics, line)]).toEqual([line, value]);
  });

  it("a token for four letters, and for each character of a script that has no letters", () => {
    expect([estimateTokens(""), estimateTokens("four"), estimateTokens("猫の名前"), estimateTokens("고양이")]).toEqual([
      0, 1, 4, 3,
    ]);
  });
});
