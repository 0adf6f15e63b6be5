import { windowMs } from "./rate-limits-in-process.ts";

/** Somebody who waits, or was told to come back. */
export interface Place {
  readonly rank: number;
  readonly scope: string;
  /** Who has less goes first within a rank; who has as much, in order of arrival. */
  readonly turn: number;
}

/**
 * The order within a rank: whoever was granted least in the last minute goes first. A place is given once, at arrival, so that estimates stay true: behind as many
 * turns as its scope was granted and waits for. Places given later start higher as the line goes on, so that nobody waits for ever.
 */
export function makeFairOrder(now: () => number) {
  const granted: { readonly scope: string; readonly at: number }[] = [];
  const floors = new Map<number, number>();
  const grantedTo = (scope: string) => {
    const firstThatCounts = granted.findIndex(({ at }) => at + windowMs > now());
    granted.splice(0, firstThatCounts === -1 ? granted.length : firstThatCounts);
    return granted.filter((one) => one.scope === scope).length;
  };
  return {
    /** Of a newcomer, given all others who wait or will come back. */
    turnOf(rank: number, scope: string, others: readonly Place[]): number {
      const own = others.filter((other) => other.rank === rank && other.scope === scope).map((other) => other.turn);
      // What was granted counts less as time goes by: without the last place of its own scope a newcomer would pass those of an earlier minute.
      return Math.max(floors.get(rank) ?? 0, grantedTo(scope) + own.length, ...own);
    },
    /** It went; `isLast`: nobody waits any more. */
    went({ rank, scope, turn }: Place, isLast: boolean): void {
      granted.push({ scope, at: now() });
      if (isLast) floors.clear();
      else floors.set(rank, Math.max((floors.get(rank) ?? 0) + turnStep, turn));
    },
  };
}

/** By how much each call that goes raises the place of newcomers: an endless row of new guilds passes nobody more than four times for each turn it is behind. */
const turnStep = 0.25;

/** Whether `one` goes before a newcomer at `other`. */
export function goesFirst(one: Place, other: Place): boolean {
  return one.rank < other.rank || (one.rank === other.rank && one.turn <= other.turn);
}
