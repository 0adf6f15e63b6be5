const clock = new Intl.DateTimeFormat("en-CA", {
  timeZone: "America/Los_Angeles",
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** The next midnight in California after `nowMs`, when Google's daily limits start anew; epoch milliseconds. */
export function nextPacificMidnight(nowMs: number): number {
  const local = wallClock(nowMs);
  const midnight = new Date(local);
  midnight.setUTCHours(24, 0, 0, 0);
  // The clocks change at two in the morning: the offset at midnight may differ from the one now, by an hour.
  const guess = nowMs + (midnight.getTime() - local);
  return guess + (midnight.getTime() - wallClock(guess));
}

/** What a clock on a Californian wall shows, as if it were UTC. */
function wallClock(ms: number): number {
  const parts = Object.fromEntries(clock.formatToParts(ms).map((part) => [part.type, Number(part.value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (ms % 1000);
}
