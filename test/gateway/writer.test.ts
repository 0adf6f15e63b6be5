import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ForeseenError } from "../../src/errors.ts";
import { makeWriter } from "../../src/gateway/writer.ts";
import { makeMetrics } from "../../src/metrics.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("stores what it holds within seconds of the end of a long outage of what an event needs", async () => {
  let isAway = true;
  const stored: string[] = [];
  const writer = makeWriter({
    from: null,
    store: async (_heard, { watermark }) => {
      if (isAway) throw new ForeseenError("discord_unavailable", "away", { kind: "retry", afterMs: 2_000 });
      stored.push(String(watermark));
    },
    ping: async () => [],
    hold: 10,
    onFenced: () => expect.unreachable("nobody else holds the shard"),
    onOverflow: () => expect.unreachable("little is held"),
    metrics: makeMetrics(),
    log: pino({ level: "silent" }),
  });
  writer.push({ heard: null, sessionId: "s", resumeUrl: "wss://gateway.test", sequence: 1, at: 0 });
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(stored).toEqual([]);
  isAway = false;
  await vi.advanceTimersByTimeAsync(11_000);
  expect(stored).toEqual(["1"]);
  await writer.close(AbortSignal.timeout(1_000));
});
