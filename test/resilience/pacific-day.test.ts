import { describe, expect, it } from "vitest";
import { nextPacificMidnight } from "../../src/resilience/pacific-day.ts";

describe("the Pacific day ends at midnight in California", () => {
  it.each([
    ["a winter's day", "2026-01-15T20:00:00Z", "2026-01-16T08:00:00.000Z"],
    ["a summer's day", "2026-07-01T06:59:59.500Z", "2026-07-01T07:00:00.000Z"],
    ["the moment of midnight itself", "2026-07-01T07:00:00Z", "2026-07-02T07:00:00.000Z"],
    ["before the clocks go forward", "2026-03-08T05:30:00Z", "2026-03-08T08:00:00.000Z"],
    ["the night they go forward, an hour short", "2026-03-08T09:30:00Z", "2026-03-09T07:00:00.000Z"],
    ["before the clocks go back", "2026-11-01T06:30:00Z", "2026-11-01T07:00:00.000Z"],
    ["the first of the two hours between one and two", "2026-11-01T08:30:00Z", "2026-11-02T08:00:00.000Z"],
    ["the second of them", "2026-11-01T09:30:00Z", "2026-11-02T08:00:00.000Z"],
    ["the end of a leap day", "2028-03-01T07:59:59.999Z", "2028-03-01T08:00:00.000Z"],
  ])("%s", (_, now, midnight) => {
    expect(new Date(nextPacificMidnight(Date.parse(now))).toISOString()).toBe(midnight);
  });
});
