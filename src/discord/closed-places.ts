import type { Snowflake } from "../envelope.ts";
import type { Voice } from "./voices.ts";

/** Where a voice was refused is tried again after this time. */
const askAgainMs = 10 * 60_000;

/** Where which voice may not speak: each request that Discord refuses counts against us, so it is not asked each time. */
export interface ClosedPlaces {
  /** The reception is never noted: nobody would be left to speak. */
  note(voice: Voice, conversationId: Snowflake): void;
  has(voice: Voice, conversationId: Snowflake): boolean;
}

/** Knows nothing at first. `now`: milliseconds of any clock. */
export function makeClosedPlaces(now: () => number = Date.now): ClosedPlaces {
  const until = new Map<string, number>();
  const keyOf = ({ userId }: Voice, conversationId: Snowflake) => `${userId} ${conversationId}`;
  return {
    note: (voice, conversationId) => {
      if (voice.agent === null) return;
      for (const [key, end] of until) if (end <= now()) until.delete(key);
      until.set(keyOf(voice, conversationId), now() + askAgainMs);
    },
    has: (voice, conversationId) => (until.get(keyOf(voice, conversationId)) ?? 0) > now(),
  };
}
