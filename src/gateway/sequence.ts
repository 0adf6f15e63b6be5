import { GatewayDispatchEvents } from "discord.js";

/** The numbers of a session's events, as they come in. */
export interface Sequence {
  /** Returns the last that was taken, for a connection that begins; what comes before RESUMED or READY is what Discord has kept. */
  connect(): number;
  /** The next connection asks for everything after this one. */
  goBackTo(sequence: number): void;
  /**
   * `next`: to be taken. `again`: it was taken before. `hole`: numbers before it have not come; whoever connects anew
   * hears them, and if they do not come then either, this session leaves numbers out and no other `hole` is told of.
   */
  judge(type: string, sequence: number): "next" | "again" | "hole";
}

/** Watches over the numbers of one shard's events; `last` is where its session stands. */
export function makeSequence(last: number): Sequence {
  let isReplay = true;
  let askedAgainAfter: number | null = null;
  let leavesOut = false;
  const take = (sequence: number) => {
    last = sequence;
    return "next" as const;
  };
  return {
    connect: () => {
      isReplay = true;
      return last;
    },
    goBackTo: (sequence) => {
      last = sequence;
    },
    judge: (type, sequence) => {
      if ((type as GatewayDispatchEvents) === GatewayDispatchEvents.Ready) {
        [isReplay, askedAgainAfter, leavesOut] = [false, null, false];
        return take(sequence);
      }
      // A straggler of a cut connection comes again with the replay.
      if (sequence <= last) return "again";
      const isHole = sequence > last + 1;
      if (isHole && !isReplay && !leavesOut) {
        askedAgainAfter = last;
        return "hole";
      }
      // RESUMED has a number of its own, which is not sent again: a replay may have holes.
      if (isHole && isReplay && askedAgainAfter === last) leavesOut = true;
      if ((type as GatewayDispatchEvents) === GatewayDispatchEvents.Resumed) isReplay = false;
      return take(sequence);
    },
  };
}
