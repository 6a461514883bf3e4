#!lua flags=allow-oom
-- What every script about the permits of one site begins with. Times are those of Redis.
--
-- KEYS  1 held     sorted set, permit -> end of its lease (ms)
--       2 waiting  sorted set, waiter -> its place in line
--       3 called   sorted set, waiter that was called -> until when the call counts (ms)
--       4 state    hash: limit (thousandths) and round of the adaptive limit, arrival (us) of the rate, places given
--       5 due      of the lane scheduler
--       6 sites    sorted set, of the node that asks: held -> until when it may hold something there (ms)
-- ARGV  1 concurrency  2 initial concurrency, 0 when the limit is fixed  3 lease (ms)  4 how long a call counts (ms)
--       5 prefix of the channels on which nodes are called
-- Waiters are named '<node>/<number> <lane>', with nothing behind the blank when no lane waits.
local held, waiting, called, state = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ceiling, initial, lease_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local call_ms, channels = tonumber(ARGV[4]), ARGV[5]

local REMEMBERED_MS = 3600000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
redis.call('ZREMRANGEBYSCORE', called, '-inf', now)

local function whole(number)
  return string.format('%.0f', number)
end

local function limit_milli()
  return tonumber(redis.call('HGET', state, 'limit') or initial * 1000)
end

local function round_now()
  return tonumber(redis.call('HGET', state, 'round') or 0)
end

local function allowed()
  if initial == 0 then return ceiling end
  return math.min(ceiling, math.floor(limit_milli() / 1000))
end

-- `adaptive.ts` inside Redis. What is as at the beginning is not written down.
local function learn(feedback, round)
  if initial == 0 then return end
  local milli = limit_milli()
  if feedback == 'good' then
    if milli >= ceiling * 1000 then return end
    milli = math.min(ceiling * 1000, milli + math.floor(1000000 / milli))
  elseif feedback == 'failed' and round >= round_now() then
    milli = math.max(1000, math.floor(milli / 2))
    redis.call('HINCRBY', state, 'round', 1)
  else
    return
  end
  redis.call('HSET', state, 'limit', whole(milli))
end

local function remember()
  redis.call('PEXPIRE', held, lease_ms * 2)
  redis.call('PEXPIRE', called, lease_ms * 2)
  redis.call('PEXPIRE', waiting, REMEMBERED_MS)
  redis.call('PEXPIRE', state, REMEMBERED_MS)
end

-- A node that is killed and starts again finds by this what its former process held.
local function note_site()
  redis.call('ZADD', KEYS[6], 'GT', whole(now + lease_ms), held)
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
  redis.call('PEXPIRE', KEYS[6], lease_ms * 2)
end

-- Hands out free permits, as calls: first asked, first called. The node that waits is told; and the lane is due, so
-- that any node may run it, should that one be dead or stopped. A dead node that waits for no lane is passed over.
local function call_waiting()
  local free = allowed() - redis.call('ZCARD', held) - redis.call('ZCARD', called)
  while free > 0 do
    local first = redis.call('ZPOPMIN', waiting)[1]
    if first == nil then return end
    local node, lane = string.match(first, '^(.-)/%d+ (.*)$')
    local heard = redis.call('PUBLISH', channels .. node, first) > 0
    if lane ~= '' then redis.call('ZADD', KEYS[5], 'LT', whole(now), lane) end
    if heard or lane ~= '' then
      redis.call('ZADD', called, whole(now + call_ms), first)
      free = free - 1
    end
  end
end

-- When a lease or a call ends that nobody may tell us about: ms from now, or -1 when nobody waits.
local function look_again_ms()
  if redis.call('ZCARD', waiting) == 0 then return -1 end
  local at = now + lease_ms
  for _, key in ipairs({ held, called }) do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
    if first then at = math.min(at, tonumber(first)) end
  end
  return math.max(1, at - now + 1)
end
