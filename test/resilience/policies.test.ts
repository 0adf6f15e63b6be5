import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeBreaker, makeRetry, type BreakerState } from "../../src/resilience/policies.ts";

const { signal } = new AbortController();
const broken = new Error("broken");
const fails = () => Promise.reject(broken);

beforeEach(() => void vi.useFakeTimers({ now: Date.parse("2026-06-01T12:00:00Z") }));
afterEach(() => void vi.useRealTimers());

const open = (states: BreakerState[] = []) =>
  makeBreaker({
    name: "gemini_api",
    failureThreshold: 3,
    recoveryMs: 30_000,
    counts: (error) => error === broken,
    onChange: (state) => states.push(state),
  });

const breakIt = async (breaker = open()) => {
  for (let failure = 0; failure < 3; failure += 1) await expect(breaker.execute(fails, signal)).rejects.toBe(broken);
  return breaker;
};

describe("a breaker", () => {
  it("opens after failures in a row, and says when it may be tried again", async () => {
    const breaker = await breakIt();
    await vi.advanceTimersByTimeAsync(10_000);
    const work = vi.fn();
    await expect(breaker.execute(work, signal)).rejects.toMatchObject({
      code: "breaker_open",
      disposition: { kind: "retry", afterMs: 20_000 },
    });
    expect(work).not.toHaveBeenCalled();
    expect(breaker.report()).toEqual({ state: "open", failure_count: 3, last_failure: "2026-06-01T12:00:00.000Z" });
  });

  it("lets one probe through after the recovery, and closes when that succeeds", async () => {
    const states: BreakerState[] = [];
    const breaker = await breakIt(open(states));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(breaker.report().state).toBe("half_open");
    expect(breaker.retryInMs()).toBe(0);
    await expect(breaker.execute(async () => "fine", signal)).resolves.toBe("fine");
    expect(breaker.report()).toMatchObject({ state: "closed", failure_count: 0 });
    expect(states).toEqual(["open", "half_open", "closed"]);
  });

  it("opens again at once when the probe fails", async () => {
    const breaker = await breakIt();
    await vi.advanceTimersByTimeAsync(30_000);
    await expect(breaker.execute(fails, signal)).rejects.toBe(broken);
    expect(breaker.retryInMs()).toBe(30_000);
  });

  it("counts only failures in a row, and only those that speak against the dependency", async () => {
    const breaker = open();
    const refused = new Error("refused");
    for (const outcome of [
      fails,
      fails,
      async () => "fine",
      fails,
      fails,
      () => Promise.reject(refused),
      () => Promise.reject(refused),
    ]) {
      await breaker.execute(outcome, signal).catch(() => null);
    }
    expect(breaker.report().state).toBe("closed");
  });

  it("does not hold a caller whose signal aborts while a probe hangs", async () => {
    const breaker = await breakIt();
    await vi.advanceTimersByTimeAsync(30_000);
    void breaker.execute(() => new Promise(() => {}), signal);
    const stop = new AbortController();
    const second = breaker.execute(async () => "never", stop.signal);
    stop.abort(broken);
    await expect(second).rejects.toBe(broken);
  });
});

describe("a retry", () => {
  const repeat = makeRetry({ retries: 2, initialMs: 500, maxMs: 8_000, when: (error) => error === broken });

  it("tries as often as it was told, at growing distances with jitter", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const at: number[] = [];
    const start = Date.now();
    const work = () => {
      at.push(Date.now() - start);
      return fails();
    };
    const outcome = repeat(work, signal).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await outcome).toBe(broken);
    expect(at).toEqual([0, 250, 750]);
    vi.restoreAllMocks();
  });

  it("does not repeat what it was not told to", async () => {
    const work = vi.fn(() => Promise.reject(new Error("other")));
    await expect(repeat(work, signal)).rejects.toThrow("other");
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("stops waiting, and trying, when the signal aborts", async () => {
    const stop = new AbortController();
    const work = vi.fn(fails);
    const outcome = repeat(work, stop.signal).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(0);
    stop.abort(broken);
    expect(await outcome).toBe(broken);
    await vi.runAllTimersAsync();
    expect(work).toHaveBeenCalledTimes(1);
  });
});
