import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { noon, openGoverned } from "../model/governed.ts";
import { patient, requestFor } from "../model/requests.ts";
import { tellViolation } from "./timeline.ts";

beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(() => void vi.useRealTimers());

const violation = (model: string, atMs: number) => ({
  model,
  limit: "requests_per_minute" as const,
  at: new Date(noon + atMs).toISOString(),
  counted: 3,
  allowed: 2,
});

test("of a broken limit it is told how many calls the processes were granted that still counted, and who was struck meanwhile", async () => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = pino({ level: "debug", base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  const { governor } = openGoverned({ log });
  await governor.generate(requestFor("Long ago"), patient);
  await vi.advanceTimersByTimeAsync(70_000);
  for (const message of ["One", "Two"]) await governor.generate(requestFor(message), patient);
  const crew = {
    logs: () => lines.map((line) => ({ bot: 1, pid: 7, line })),
    moments: [
      { at: noon + 1_000, bot: 0, what: "SIGKILL" as const },
      { at: noon + 69_000, bot: 0, what: "SIGSTOP" as const },
    ],
  };
  const hand = { toServers: [{ at: noon + 68_000, kind: "flush-redis" as const }] };
  expect(tellViolation(violation("flash", 71_000), { crew, hand })).toMatchObject({
    granted: 2,
    timeline: [
      expect.stringMatching(/^2026-06-01T19:01:08.000Z flush-redis$/),
      expect.stringMatching(/bot 0: SIGSTOP$/),
    ],
  });
  expect(tellViolation(violation("another", 71_000), { crew, hand })).toMatchObject({ granted: 0 });
});
