import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ForeseenError } from "../../src/errors.ts";
import { makeIdentifyThrottle, untilGranted } from "../../src/gateway/identify.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";

const log = pino({ level: "silent" });
const never = new AbortController().signal;
const foreseen = (code: string, kind: "bury" | "retry") =>
  new ForeseenError(code, "no", kind === "bury" ? { kind } : { kind, afterMs: 1_000 });

describe("the wait for a new session", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ["a day's budget that is used up, of a bot at work", foreseen("discord_identify_budget", "bury")],
    ["a Discord that does not answer", foreseen("discord_unavailable", "retry")],
    ["a database that fails", new Error("the connection was terminated")],
  ])("lasts through %s", async (_, fault) => {
    const ask = vi
      .fn<(signal: AbortSignal) => Promise<void>>()
      .mockRejectedValueOnce(fault)
      .mockRejectedValueOnce(fault);
    const granted = untilGranted(ask, { isAtWork: () => true, log }, never);
    await vi.advanceTimersByTimeAsync(3_000);
    await granted;
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it.each([
    ["a day's budget that is used up, at the start", foreseen("discord_identify_budget", "bury"), false],
    ["a token that is not accepted", foreseen("discord_unauthorized", "retry"), true],
    ["a refusal", foreseen("discord_refused", "bury"), true],
  ])("ends with %s", async (_, fault, isAtWork) => {
    const ask = async () => Promise.reject(fault);
    await expect(untilGranted(ask, { isAtWork: () => isAtWork, log }, never)).rejects.toBe(fault);
  });

  it("ends when the shard is given up", async () => {
    const gone = new AbortController();
    const waiting = untilGranted(
      async () => Promise.reject(new Error("no")),
      { isAtWork: () => true, log },
      gone.signal,
    );
    gone.abort(new Error("handed over"));
    await expect(waiting).rejects.toThrow("handed over");
  });
});

describe("the day's budget of new sessions", () => {
  const askWith = async (total: number, remaining: number) => {
    const database = await openFreshDatabase();
    const limit = { total, remaining, resetAfterMs: 5 * 3_600_000 - 1, maxConcurrency: 1 };
    const throttle = makeIdentifyThrottle(database, async () => limit);
    const refusal = await throttle.ask(0, never).catch((error: unknown) => error);
    const begun = await database.query("select 1 from identifies");
    await database.close();
    return { refusal, begun: begun.length };
  };

  it.each([
    [1_000, 51],
    [200, 11],
  ])("of %i is used while %i are left", async (total, remaining) => {
    expect(await askWith(total, remaining)).toEqual({ refusal: undefined, begun: 1 });
  });

  it.each([
    [1_000, 50],
    [200, 10],
  ])("of %i has a reserve: with %i left none is begun, and a sentence says for how long", async (total, remaining) => {
    const sentence = `${total} new sessions a day and ${remaining} are left: none is begun until it allows new ones, in 5 h`;
    const { refusal, begun } = await askWith(total, remaining);
    expect(refusal).toMatchObject({ code: "discord_identify_budget" });
    expect(String(refusal)).toContain(sentence);
    expect(begun).toBe(0);
  });
});
