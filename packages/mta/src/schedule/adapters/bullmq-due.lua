#!lua flags=allow-oom
-- What every script about due lanes begins with. Times are milliseconds of Redis' clock.
--
-- KEYS  1 due  2 taken  3 backoff  4 turns  5 proven  6 unproven  7 held  8 slots  9 takes  10 lane jobs that wait
--       11 held silent  12 silences  13 silent  14 urgent  15 in the end of a turn: the due deliveries of its lane
-- ARGV  1 lease (ms)
local due, taken, backoff, turns = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local proven, unproven, held = KEYS[5], KEYS[6], KEYS[7]
local held_silent, silences, silent, urgent = KEYS[11], KEYS[12], KEYS[13], KEYS[14]
local lease_ms = tonumber(ARGV[1])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

-- The entry stays, out of the way: whoever takes or runs the lane may die, and then its time comes again.
local function lease(lane)
  local score = whole(now + lease_ms)
  redis.call('ZADD', due, score, lane)
  redis.call('HSET', taken, lane, score)
end

-- Until when the lane backs off, or nil.
local function backs_off(lane)
  local ends = redis.call('HGET', backoff, lane)
  if not ends then return nil end
  if tonumber(ends) > now then return ends end
  redis.call('HDEL', backoff, lane)
  return nil
end

local function wait_for_backoff(lane, ends)
  redis.call('ZADD', due, ends, lane)
  redis.call('HDEL', taken, lane)
end

local function prove(lane)
  redis.call('ZADD', proven, whole(now), lane)
  redis.call('HDEL', silences, lane)
end

-- A turn of the lane counts as one without progress, until it moves something, ends, or its lease does.
local function count_unproven(lane, member)
  local ends = whole(now + lease_ms)
  redis.call('ZADD', unproven, ends, member)
  if redis.call('HEXISTS', silences, lane) == 1 then redis.call('ZADD', silent, ends, member) end
end

local function count_no_more(member)
  redis.call('ZREM', unproven, member)
  redis.call('ZREM', silent, member)
end
