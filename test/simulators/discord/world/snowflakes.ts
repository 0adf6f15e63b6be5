const discordEpochMs = 1_420_070_400_000;

/** Makes ids as Discord does: time-ordered, unique, strictly increasing. */
export interface Snowflakes {
  next(): string;
}

export function makeSnowflakes(now: () => number): Snowflakes {
  let last = 0n;
  return {
    next: () => {
      const fresh = BigInt(now() - discordEpochMs) << 22n;
      last = fresh > last ? fresh : last + 1n;
      return String(last);
    },
  };
}

/** The first id that could have been made in this millisecond. */
export function snowflakeAt(ms: number): string {
  return String(BigInt(ms - discordEpochMs) << 22n);
}

/** Negative when `one` was made before `other`. */
export function compareIds(one: string, other: string): number {
  const [a, b] = [BigInt(one), BigInt(other)];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The shard that hears of this guild. */
export function shardOf(guildId: string, shardCount: number): number {
  return Number((BigInt(guildId) >> 22n) % BigInt(shardCount));
}
