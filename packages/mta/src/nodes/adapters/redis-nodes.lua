#!lua flags=allow-oom
-- What every script about nodes begins with. Times are milliseconds of Redis' clock.
--
-- KEYS  1 records: hash, node -> what it says of itself   2 beats: zset, node -> when it said so
--       3 holders: hash, node -> the incarnation that has the id   4 wishes: hash, node -> what an operator wants of it
-- ARGV  1 ms without a beat after which a node is silent  2 ms after which it is forgotten  3 nodes at most
local records, beats, holders, wishes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local silent_ms, listed_ms, nodes_max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local function forget(node)
  redis.call('ZREM', beats, node)
  for _, key in ipairs({ records, holders, wishes }) do redis.call('HDEL', key, node) end
end

local function forget_old()
  for _, node in ipairs(redis.call('ZRANGE', beats, '-inf', now - listed_ms, 'BYSCORE')) do forget(node) end
  for _, node in ipairs(redis.call('ZRANGE', beats, 0, -nodes_max - 1)) do forget(node) end
end

local function beat_age(node)
  local beat = redis.call('ZSCORE', beats, node)
  return beat and now - tonumber(beat) or nil
end

local function write(node, incarnation, record)
  redis.call('HSET', records, node, record)
  redis.call('ZADD', beats, whole(now), node)
  redis.call('HSET', holders, node, incarnation)
end
