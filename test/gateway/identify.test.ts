import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ForeseenError } from "../../src/errors.ts";
import { untilGranted } from "../../src/gateway/identify.ts";

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
