import { asScript } from "../connections/redis.ts";

// Of each bucket: grants (ticket by time), tokens (ticket to tokens), meta (epoch, day, today, until, reason, callers), waiting (caller by rank and number), alive
// (caller by when it is forgotten). Of all: members (process by when it was last seen). Time is Redis's own: clocks of processes differ.

const prelude = `
local grants, tokens, meta, waiting, alive, members = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function forget(window)
  for _, ticket in ipairs(redis.call("ZRANGEBYSCORE", grants, 0, now - window)) do redis.call("HDEL", tokens, ticket) end
  redis.call("ZREMRANGEBYSCORE", grants, 0, now - window)
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", alive, 0, now)) do redis.call("ZREM", waiting, id) end
  redis.call("ZREMRANGEBYSCORE", alive, 0, now)
end
local function keep()
  for _, key in ipairs(KEYS) do redis.call("PEXPIRE", key, 172800000) end
end
local function hold(untilMs, reason)
  if untilMs <= tonumber(redis.call("HGET", meta, "until") or "0") then return end
  redis.call("HSET", meta, "until", untilMs, "reason", reason)
end
local function sum()
  local all = 0
  for _, n in ipairs(redis.call("HVALS", tokens)) do all = all + n end
  return all
end
`;

/**
 * ARGV: process, its epoch, window, end of the day, caller (or ""), rank, patience of a waiter, mode ("take" or "look"), tokens, requests and tokens a
 * minute and requests a day (-1: no limit), how long a silent process is still counted, how long it counts as alive, a new epoch, its pause.
 * Returns {what, now, known, …}: "stranger" and the epoch; "granted" and the ticket; or "refused", until, reason, day, today, ahead, share, and for each
 * grant its time and tokens.
 */
export const takeScript = asScript(`${prelude}
local process, epoch, window, day, id = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local asked, perMinute, perMinuteTokens, perDay = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
redis.call("ZADD", members, now, process)
redis.call("ZREMRANGEBYSCORE", members, 0, now - ARGV[13])
local known = redis.call("ZCARD", members)
local living = redis.call("ZCOUNT", members, now - ARGV[14], "+inf")
local current = redis.call("HGET", meta, "epoch")
if not current then
  -- Whatever was counted here is gone: those who remember what they were granted have a moment to say so.
  current = ARGV[15]
  redis.call("HSET", meta, "epoch", current)
  hold(now + ARGV[16], "requests_per_minute")
  keep()
end
if current ~= epoch then return {"stranger", now, known, current} end
forget(window)
if tonumber(redis.call("HGET", meta, "day") or "0") <= now then redis.call("HSET", meta, "day", day, "today", 0) end
if id ~= "" then
  if not redis.call("ZSCORE", waiting, id) then
    redis.call("ZADD", waiting, ARGV[6] * 1000000000000 + redis.call("HINCRBY", meta, "callers", 1), id)
  end
  redis.call("ZADD", alive, now + ARGV[7], id)
end
local ahead = id ~= "" and redis.call("ZRANK", waiting, id) or redis.call("ZCARD", waiting)
local held = tonumber(redis.call("HGET", meta, "until") or "0")
local today = tonumber(redis.call("HGET", meta, "today") or "0")
local count = redis.call("ZCARD", grants)
-- A process that is not heard of may be counting for itself, with its share of the limit.
local function part(limit) return math.max(1, math.floor(limit * living / known)) end
-- Who waits longer goes first; where there is room for all of them nobody waits for anybody.
local isFree = ARGV[8] == "take" and held <= now and (perDay < 0 or today + ahead < perDay)
  and ((count == 0 and ahead == 0) or ((perMinute < 0 or count + ahead < part(perMinute))
    and (perMinuteTokens < 0 or sum() + asked * (ahead + 1) <= part(perMinuteTokens))))
if isFree then
  local ticket = id .. "@" .. now
  redis.call("ZADD", grants, now, ticket)
  redis.call("HSET", tokens, ticket, asked)
  redis.call("HINCRBY", meta, "today", 1)
  redis.call("ZREM", waiting, id)
  redis.call("ZREM", alive, id)
  keep()
  return {"granted", now, known, ticket}
end
local answer = {"refused", now, known, held, redis.call("HGET", meta, "reason") or "", redis.call("HGET", meta, "day"), today, ahead, living}
local flat = redis.call("ZRANGE", grants, 0, -1, "WITHSCORES")
for i = 1, #flat, 2 do
  table.insert(answer, tonumber(flat[i + 1]))
  table.insert(answer, tonumber(redis.call("HGET", tokens, flat[i]) or "0"))
end
return answer`);

/**
 * A process says what it was granted that may not be known here. ARGV: process, epoch, the pause for others to say theirs, grants of this day that count no
 * more, and for each that does its ticket, its time and its tokens.
 */
export const recallScript = asScript(`${prelude}
if redis.call("HGET", meta, "epoch") ~= ARGV[2] then return 0 end
redis.call("ZADD", members, now, ARGV[1])
local added = tonumber(ARGV[4])
for i = 5, #ARGV, 3 do
  if redis.call("ZADD", grants, "NX", ARGV[i + 1], ARGV[i]) == 1 then
    redis.call("HSET", tokens, ARGV[i], ARGV[i + 2])
    added = added + 1
  end
end
if added > 0 then
  redis.call("HINCRBY", meta, "today", added)
  hold(now + ARGV[3], "requests_per_minute")
end
keep()
return added`);

/** ARGV: the ticket of a call that the provider surely has by now. */
export const arrivedScript = asScript(`${prelude}
redis.call("ZADD", grants, "XX", now, ARGV[1])`);

/** ARGV: a ticket, and what the provider counted for it. */
export const settleScript = asScript(`${prelude}
if redis.call("ZSCORE", grants, ARGV[1]) then redis.call("HSET", tokens, ARGV[1], ARGV[2]) end`);

/** ARGV: for how long, and why. */
export const blockScript = asScript(`${prelude}
hold(now + ARGV[1], ARGV[2])`);

/** ARGV: a caller that waits no longer. */
export const leaveScript = asScript(`${prelude}
redis.call("ZREM", waiting, ARGV[1])
redis.call("ZREM", alive, ARGV[1])`);

/** ARGV: a process that ends. */
export const endScript = asScript(`redis.call("ZREM", KEYS[1], ARGV[1])`);
