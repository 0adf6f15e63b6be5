/**
 * How Node is started where it does little more than listen: code that is compiled less eagerly, a heap that grows slowly, and one arena of malloc
 * that gives back what is free at its end, take half the memory at 1,000 guilds (bench/discord.ts), for processor time that a gateway has to spare.
 */
export const smallProcess = {
  nodeArgs: ["--optimize-for-size", "--no-maglev", "--no-sparkplug", "--single-threaded-gc", "--max-semi-space-size=1"],
  env: { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "65536" },
} as const;
