import { asScript, type Cache } from "../connections/redis.ts";
import type { Snowflake } from "../envelope.ts";
import type { RecentLine, RecentTurns } from "./recent-turns.ts";

// Each conversation is a list: its revision, then its lines, oldest first.

const readScript = asScript(`return redis.call("LRANGE", KEYS[1], 0, -1)`);

/** ARGV: milliseconds to live, the revision, the lines. */
const replaceScript = asScript(`
redis.call("DEL", KEYS[1])
redis.call("RPUSH", KEYS[1], unpack(ARGV, 2))
redis.call("PEXPIRE", KEYS[1], ARGV[1])`);

/** ARGV: milliseconds to live, the revision before, the revision after, lines to keep, the new lines. */
const appendScript = asScript(`
if redis.call("LINDEX", KEYS[1], 0) ~= ARGV[2] then
  redis.call("DEL", KEYS[1])
  return
end
redis.call("LPOP", KEYS[1])
if #ARGV > 4 then redis.call("RPUSH", KEYS[1], unpack(ARGV, 5)) end
redis.call("LTRIM", KEYS[1], -tonumber(ARGV[4]), -1)
redis.call("LPUSH", KEYS[1], ARGV[3])
redis.call("PEXPIRE", KEYS[1], ARGV[1])`);

const dropScript = asScript(`redis.call("DEL", KEYS[1])`);

/** Hot memory that processes share, one round trip for each of its operations. */
export function makeRedisRecentTurns(
  cache: Cache,
  options: { lines: number; maxAgeMs: number; now: () => number },
): RecentTurns {
  const keyOf = (conversationId: Snowflake) => [`discord-agent:recent:${conversationId}`];
  return {
    read: async (conversationId) => {
      const [revision, ...texts] = (await cache.run(readScript, keyOf(conversationId), [])) as string[];
      if (revision === undefined) return null;
      const lines = texts.map(readLine);
      if (!lines.every((line) => line !== null)) return null;
      return { revision, lines: lines.filter(({ at }) => options.now() - at.getTime() <= options.maxAgeMs) };
    },
    replace: async (conversationId, { revision, lines }) => {
      const texts = lines.slice(-options.lines).map((line) => JSON.stringify(line));
      await cache.run(replaceScript, keyOf(conversationId), [options.maxAgeMs, revision, ...texts]);
    },
    append: async (conversationId, { before, after }, lines) => {
      const texts = lines.map((line) => JSON.stringify(line));
      await cache.run(appendScript, keyOf(conversationId), [options.maxAgeMs, before, after, options.lines, ...texts]);
    },
    drop: async (conversationId) => {
      await cache.run(dropScript, keyOf(conversationId), []);
    },
  };
}

/** Null for what this program did not write. */
function readLine(text: string): RecentLine | null {
  try {
    const { messageId, author, authorId, agent, text: said, at } = JSON.parse(text) as Record<string, unknown>;
    const words = [messageId, author, authorId, said, at];
    if (!words.every((word) => typeof word === "string") || !(agent === null || typeof agent === "string")) return null;
    const [id, name, who, line, time] = words as [string, string, string, string, string];
    const date = new Date(time);
    return Number.isNaN(date.getTime())
      ? null
      : { messageId: id, author: name, authorId: who, agent, text: line, at: date };
  } catch {
    return null;
  }
}
