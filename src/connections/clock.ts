import type { Logger } from "../log.ts";

/** Clocks that are set by NTP are within milliseconds; what is measured in minutes bears this. */
const mostApartMs = 60_000;

/**
 * Compares the clock of this process with the server's, which was read between `askedMs` and `answeredMs` of our own. Warns when they are more than a
 * minute apart, and again only when they were not in between.
 */
export function watchClock(log: Logger): (askedMs: number, serverMs: number, answeredMs: number) => void {
  let isWrong = false;
  return (askedMs, serverMs, answeredMs) => {
    // As little as it can be: the answer may have been on its way all the time.
    const aheadMs = Math.max(askedMs - serverMs, 0) || Math.min(answeredMs - serverMs, 0);
    const wasWrong = isWrong;
    isWrong = Math.abs(aheadMs) > mostApartMs;
    if (isWrong === wasWrong) return;
    if (!isWrong) return log.info({ component: "clock" }, "the clock of this process is right again");
    const apart = `${Math.round(Math.abs(aheadMs) / 60_000)} min ${aheadMs > 0 ? "ahead of" : "behind"}`;
    log.warn(
      { component: "clock", aheadMs: Math.round(aheadMs) },
      `the clock of this process is ${apart} the database's: set both by NTP, or the times in its log and its metrics and the days of the limits are wrong`,
    );
  };
}
