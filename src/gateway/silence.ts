/** Notices a connection whose heartbeats are no longer acknowledged. */
export interface SilenceWatch {
  /** A heartbeat was acknowledged at this time (ms, of a clock that nobody sets). */
  beat(at: number): void;
  /** The connection is gone, or there is a new one. */
  reset(): void;
}

/** An acknowledgement may be this late. */
const graceMs = 1_000;

/**
 * Calls `onSilent` once no acknowledgement has come for twice the longest of the last four times between two heartbeats; Discord may ask for one out of
 * turn, so a single gap says nothing.
 */
export function watchForSilence(onSilent: () => void): SilenceWatch {
  let timer: NodeJS.Timeout | undefined;
  let gaps: number[] = [];
  let last: number | null = null;
  const reset = () => {
    clearTimeout(timer);
    [gaps, last] = [[], null];
  };
  return {
    reset,
    beat: (at) => {
      clearTimeout(timer);
      if (last !== null) gaps = [...gaps, at - last].slice(-4);
      last = at;
      if (gaps.length > 1) timer = setTimeout(onSilent, 2 * Math.max(...gaps) + graceMs);
    },
  };
}
