#!lua flags=allow-oom
-- What every script about suppressed addresses begins with. Entries are texts that the caller made.
--
-- KEYS  1 entries  hash, address -> entry
--       2 until    sorted set, address -> end of the entry (ms)
--       3 names    sorted set of the addresses, all with score 0: their order
--       4 bounced  sorted set, address -> end, of entries that came by refusals: what may make room
--       5 strikes  hash, address -> refusals so far
--       6 windows  sorted set, address -> until when they count (ms)
-- ARGV  1 now (ms)  2 entries at most
local entries, ends, names, bounced, strikes, windows = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, entries_max = tonumber(ARGV[1]), tonumber(ARGV[2])

local CLEARED_MAX = 2000

local function forget(address)
  redis.call('HDEL', entries, address)
  redis.call('ZREM', ends, address)
  redis.call('ZREM', names, address)
  redis.call('ZREM', bounced, address)
end

local function forgive(address)
  redis.call('HDEL', strikes, address)
  redis.call('ZREM', windows, address)
end

local function is_suppressed(address)
  local last = redis.call('ZSCORE', ends, address)
  return last and tonumber(last) > now
end

local function clear_ended()
  for _, address in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, CLEARED_MAX)) do
    forget(address)
  end
  for _, address in ipairs(redis.call('ZRANGEBYSCORE', windows, '-inf', now, 'LIMIT', 0, CLEARED_MAX)) do
    forgive(address)
  end
  local above = redis.call('ZCARD', windows) - entries_max
  if above > 0 then
    for _, address in ipairs(redis.call('ZRANGE', windows, 0, math.min(above, CLEARED_MAX) - 1)) do
      forgive(address)
    end
  end
end

-- False when the list is full of what operators wrote.
local function put(address, entry, last, by_bounces)
  if redis.call('HEXISTS', entries, address) == 0 and redis.call('HLEN', entries) >= entries_max then
    local first = redis.call('ZRANGE', bounced, 0, 0)[1]
    if first == nil then return false end
    forget(first)
  end
  redis.call('HSET', entries, address, entry)
  redis.call('ZADD', ends, last, address)
  redis.call('ZADD', names, 0, address)
  if by_bounces then redis.call('ZADD', bounced, last, address) else redis.call('ZREM', bounced, address) end
  return true
end
