import { asScript } from "../connections/redis.ts";

// Of each bucket: grants (ticket by time), tokens (ticket to tokens), meta (epoch, server, day, today, base, until, reason, callers), waiting (caller by rank, turn and
// number), alive (caller by when it is forgotten), scopes (scope to how many it was granted in the window), asks (caller to rank and scope), kept (process to what it may grant by itself), told (process to what it has told that it granted by itself, of this day).
// Of all: members (process by when it was last seen). Time is Redis's own: clocks of processes differ.

/** Of a bucket, in the order of the scripts; the key of the members comes last. */
export const bucketKeys = ["grants", "tokens", "meta", "waiting", "alive", "kept", "told", "scopes", "asks"] as const;

const prelude = `
local grants, tokens, meta, waiting, alive, kept, told, scopes, asks, members = unpack(KEYS)
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number(field) return tonumber(redis.call("HGET", meta, field) or "0") end
-- A ticket ends with its scope.
local function count(ticket, by)
  local scope = string.match(ticket, "@([^@]*)$") or ""
  if redis.call("HINCRBY", scopes, scope, by) <= 0 then redis.call("HDEL", scopes, scope) end
end
local function leave(id)
  redis.call("ZREM", waiting, id)
  redis.call("ZREM", alive, id)
  redis.call("HDEL", asks, id)
end
local function forget(window)
  for _, ticket in ipairs(redis.call("ZRANGEBYSCORE", grants, 0, now - window)) do
    redis.call("HDEL", tokens, ticket)
    count(ticket, -1)
  end
  redis.call("ZREMRANGEBYSCORE", grants, 0, now - window)
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", alive, 0, now)) do leave(id) end
end
local function turn(day)
  if number("day") > now then return end
  redis.call("HSET", meta, "day", day, "today", 0, "base", 0)
  redis.call("DEL", told)
end
local function expire()
  for _, key in ipairs(KEYS) do redis.call("PEXPIRE", key, 172800000) end
end
-- Which run of which server this is; the same for ever where it is not told.
local function runs()
  local told = redis.pcall("INFO", "server")
  return type(told) == "string" and string.match(told, "run_id:(%x+)") or "unknown"
end
local function hold(untilMs, reason)
  if untilMs <= number("until") then return end
  redis.call("HSET", meta, "until", untilMs, "reason", reason)
end
local function sum()
  local all = 0
  for _, n in ipairs(redis.call("HVALS", tokens)) do all = all + n end
  return all
end
`;

/** What `takeScript` is asked; -1: no limit. */
export interface TakeOrder {
  readonly process: string;
  readonly epoch: string;
  readonly windowMs: number;
  readonly dayEndsAt: number;
  /** Empty: nobody asks, the process only says that it lives. */
  readonly caller: string;
  readonly rank: number;
  /** Without "@". */
  readonly scope: string;
  readonly patienceMs: number;
  readonly isTake: boolean;
  readonly tokens: number;
  /** As they hold for the caller's priority, and for all. */
  readonly limits: OrderLimits;
  readonly whole: OrderLimits;
  /** What the process would grant by itself, were it to lose Redis now. */
  readonly kept: OrderLimits;
  readonly silentMs: number;
  readonly livingMs: number;
  readonly beatMs: number;
  /** Where nobody asks, the answer names the grants since then, each by ticket, time and tokens. */
  readonly sinceMs: number;
  readonly newEpoch: string;
  readonly recallMs: number;
}

export interface OrderLimits {
  readonly requests: number;
  readonly tokens: number;
  readonly today: number;
}

/**
 * ARGV: a `TakeOrder`. Returns {what, now, known, …}: "stranger" and the epoch; or how many processes come before this one by their names, what is kept for it (requests, tokens, today), until, reason, day,
 * today, and then of "granted" the ticket, of "refused" how many go first, how many processes live, who goes first of all, and for each grant its time and tokens.
 */
export const takeScript = asScript(`${prelude}
local a = cjson.decode(ARGV[1])
local id, limits, whole = a.caller, a.limits, a.whole
redis.call("ZADD", members, now, a.process)
redis.call("ZREMRANGEBYSCORE", members, 0, now - a.silentMs)
local known = redis.call("ZCARD", members)
local living = redis.call("ZCOUNT", members, now - a.livingMs, "+inf")
local current = redis.call("HGET", meta, "epoch")
local server = runs()
if not current or server ~= redis.call("HGET", meta, "server") then
  -- Whatever was counted here is gone, or this server has it from its disk or from another one, as it was some time ago: those who remember what they were
  -- granted have a moment to say so.
  current = a.newEpoch
  redis.call("HSET", meta, "epoch", current, "server", server, "base", number("day") > now and number("today") or 0)
  hold(now + a.recallMs, "requests_per_minute")
  expire()
end
if current ~= a.epoch then return {"stranger", now, known, current} end
forget(a.windowMs)
turn(a.dayEndsAt)
if id ~= "" then
  if not redis.call("ZSCORE", waiting, id) then
    local own, before, last = a.rank .. " " .. a.scope, 0, 0
    local others = redis.call("HGETALL", asks)
    for i = 1, #others, 2 do
      local at = others[i + 1] == own and redis.call("ZSCORE", waiting, others[i])
      if at then before, last = before + 1, math.max(last, math.floor(at % 2e15 / 1e9)) end
    end
    -- As in fair-order.ts; in quarters, which is how far each call that goes raises the place of newcomers.
    local turn = math.max(number("turn" .. a.rank), 4 * ((redis.call("HGET", scopes, a.scope) or 0) + before), last)
    redis.call("ZADD", waiting, a.rank * 2e15 + math.min(turn, 1e6) * 1e9 + redis.call("HINCRBY", meta, "callers", 1) % 1e9, id)
    redis.call("HSET", asks, id, own)
  end
  redis.call("ZADD", alive, now + a.patienceMs, id)
end
local place = id ~= "" and redis.call("ZSCORE", waiting, id)
local ahead = id ~= "" and redis.call("ZRANK", waiting, id) or redis.call("ZCARD", waiting)
local held, today, taken, used = number("until"), number("today"), redis.call("ZCARD", grants), sum()
-- What the others would grant by themselves, were they to lose us now, is not free.
local theirs = {0, 0, 0}
local flat = redis.call("HGETALL", kept)
for i = 1, #flat, 2 do
  if not redis.call("ZSCORE", members, flat[i]) then
    redis.call("HDEL", kept, flat[i])
  elseif flat[i] ~= a.process then
    for n, part in ipairs(cjson.decode(flat[i + 1])) do theirs[n] = theirs[n] + part end
  end
end
-- A process that is not heard of may be counting for itself, with its share of the limit.
local function part(limit) return math.max(1, math.floor(limit * living / known)) end
local function fits(limit, all) return limit < 0 or all <= limit end
-- Who waits longer goes first; where there is room for all of them nobody waits for anybody.
local isDayFree = fits(limits.today, today + ahead + 1) and fits(whole.today, today + ahead + 1 + theirs[3])
local isEmpty = taken == 0 and ahead == 0 and theirs[1] == 0 and theirs[2] == 0
local isMinuteFree = (limits.requests < 0 or taken + ahead < part(limits.requests))
  and (limits.tokens < 0 or used + a.tokens * (ahead + 1) <= part(limits.tokens) or (taken == 0 and ahead == 0))
local isTheirs = not fits(whole.requests, taken + ahead + 1 + theirs[1]) or not fits(whole.tokens, used + a.tokens * (ahead + 1) + theirs[2])
local isFree = a.isTake and held <= now and isDayFree and (isEmpty or (isMinuteFree and not isTheirs))
-- Whoever is only refused because of what is kept for others gets it as soon as they know.
if a.isTake and held <= now and isMinuteFree and isTheirs then redis.call("HSET", meta, "wanted", now + 2 * a.beatMs) end
local ticket = id .. "@" .. now .. "@" .. a.scope
if isFree then
  redis.call("ZADD", grants, now, ticket)
  redis.call("HSET", tokens, ticket, a.tokens)
  count(ticket, 1)
  leave(id)
  local turn = math.max(number("turn" .. a.rank) + 1, math.floor(place % 2e15 / 1e9))
  if redis.call("ZCARD", waiting) > 0 then redis.call("HSET", meta, "turn" .. a.rank, turn)
  else redis.call("HDEL", meta, "turn0", "turn1", "turn2", "turn3") end
  taken, used, today = taken + 1, used + a.tokens, redis.call("HINCRBY", meta, "today", 1)
end
-- What this process may grant by itself: all that is free where it is the only one; otherwise a little of the minute, but for what waiting mentions and replies need,
-- and its part of the day.
local isWanted = number("wanted") > now
local mentions = redis.call("ZCOUNT", waiting, "-inf", "(4e15")
local function aside(limit, count, others)
  if limit < 0 or (known > 1 and isWanted) then return 0 end
  local free = part(limit) - count - others - (known > 1 and math.ceil(mentions * math.max(1, count / math.max(1, taken))) or 0)
  return math.max(0, known > 1 and math.min(free, math.ceil(math.floor(limit / known) / 4)) or free)
end
local mine = {a.kept.requests, a.kept.tokens, a.kept.today}
if held <= now then
  local left = math.max(0, whole.today - today)
  local mineToday = known > 1 and math.min(math.floor(left / known), left - theirs[3]) or left
  mine = {aside(whole.requests, taken, theirs[1]), aside(whole.tokens, used, theirs[2]), math.max(0, mineToday)}
end
-- It may never hear this answer, and keep to what it had before.
local most = {math.max(mine[1], a.kept.requests), math.max(mine[2], a.kept.tokens), math.max(mine[3], a.kept.today)}
redis.call("HSET", kept, a.process, cjson.encode(most))
expire()
local before = 0
for _, other in ipairs(redis.call("ZRANGE", members, 0, -1)) do before = before + (other < a.process and 1 or 0) end
local answer = {isFree and "granted" or "refused", now, known, before, mine[1], mine[2], mine[3], held, redis.call("HGET", meta, "reason") or "", redis.call("HGET", meta, "day"), today}
if isFree then
  table.insert(answer, ticket)
  return answer
end
table.insert(answer, ahead)
table.insert(answer, living)
table.insert(answer, table.concat(redis.call("ZRANGE", waiting, 0, 49), ","))
if id == "" then
  for _, one in ipairs(redis.call("ZRANGEBYSCORE", grants, a.sinceMs, "+inf")) do
    table.insert(answer, one)
    table.insert(answer, tonumber(redis.call("ZSCORE", grants, one)))
    table.insert(answer, tonumber(redis.call("HGET", tokens, one) or "0"))
  end
  return answer
end
flat = redis.call("ZRANGE", grants, 0, -1, "WITHSCORES")
for i = 1, #flat, 2 do
  table.insert(answer, tonumber(flat[i + 1]))
  table.insert(answer, tonumber(redis.call("HGET", tokens, flat[i]) or "0"))
end
return answer`);

/** What `recallScript` is told. */
export interface RecallOrder {
  readonly process: string;
  readonly epoch: string;
  readonly recallMs: number;
  readonly dayEndsAt: number;
  /** How many were granted on this day to all, as the process saw before this epoch; -1: it has said so in this epoch. */
  readonly seenToday: number;
  /** How many of this day it granted by itself, and how many of these it has told before. */
  readonly aloneToday: number;
  readonly toldToday: number;
  /** What the provider said while Redis was away, or before it was emptied: until when nothing goes, and why. */
  readonly blocked: readonly [number, string] | null;
  /** Of those that count in the minute: ticket, time, tokens. */
  readonly grants: readonly (readonly [string, number, number])[];
}

/**
 * A process says what it was granted that may not be known here. ARGV: a `RecallOrder`. Returns how many were granted on this day, or -1 when the epoch is over.
 * Saying it again changes nothing.
 */
export const recallScript = asScript(`${prelude}
local a = cjson.decode(ARGV[1])
if redis.call("HGET", meta, "epoch") ~= a.epoch or redis.call("HGET", meta, "server") ~= runs() then return -1 end
turn(a.dayEndsAt)
redis.call("ZADD", members, now, a.process)
local added = 0
for _, grant in ipairs(a.grants) do
  -- A later time is that of its arrival, which nobody could tell us.
  if redis.call("ZADD", grants, "GT", grant[2], grant[1]) == 1 then
    redis.call("HSET", tokens, grant[1], grant[3])
    count(grant[1], 1)
    added = added + 1
  end
end
if number("day") == a.dayEndsAt then
  local more = math.max(0, a.seenToday - number("base"))
  redis.call("HINCRBY", meta, "base", more)
  local before = tonumber(redis.call("HGET", told, a.process .. " " .. a.epoch) or a.toldToday)
  if a.aloneToday > 0 then redis.call("HSET", told, a.process .. " " .. a.epoch, a.aloneToday) end
  more = more + math.max(0, a.aloneToday - before)
  redis.call("HINCRBY", meta, "today", more)
  added = added + more
end
if added > 0 then hold(now + a.recallMs, "requests_per_minute") end
if a.blocked ~= cjson.null then hold(a.blocked[1], a.blocked[2]) end
expire()
return number("today")`);

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
leave(ARGV[1])`);

/** ARGV: a process that ends. */
export const endScript = asScript(`redis.call("ZREM", KEYS[1], ARGV[1])`);
