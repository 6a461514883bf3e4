-- Lowers the due times of woken lanes, then takes lanes whose time has come: each gets a job from who asks.
-- Lanes without progress together get at most half of all slots; the rest of them is held back, in order.
-- ARGV  2 id of this take  3 node  4 its slots, 0 when it takes no part  5 how long the node counts (ms)
--       6 lanes at most  7... woken lanes: lane, ms from now, 'operator' or empty
-- Answers {lane jobs that wait, lanes held back, ms until more is due or -1, lane...}; the same again for the same id.
local KEPT_MS, PROVEN_MS, PROVEN_MAX = 60000, 3600000, 10000
local slots, takes, jobs = KEYS[8], KEYS[9], KEYS[10]
local id, node, node_slots, node_ms, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local known = redis.call('HGET', takes, node)
if known and string.sub(known, 1, #id + 1) == id .. '\n' then
  return cjson.decode(string.sub(known, #id + 2))
end

for at = 7, #ARGV, 3 do
  local lane = ARGV[at]
  if ARGV[at + 2] == 'operator' then redis.call('HDEL', backoff, lane) end
  redis.call('ZADD', due, 'LT', whole(now + tonumber(ARGV[at + 1])), lane)
end

-- A take that finds nothing writes nothing: an idle cluster costs no disk.
local entry_of_node = node .. ' ' .. ARGV[4]
if node_slots > 0 and tonumber(redis.call('ZSCORE', slots, entry_of_node) or 0) < now + node_ms / 2 then
  redis.call('ZADD', slots, whole(now + node_ms), entry_of_node)
end
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
local all_slots = 0
for _, entry in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
  all_slots = all_slots + tonumber(string.match(entry, ' (%d+)$'))
end

redis.call('ZREMRANGEBYSCORE', unproven, '-inf', now)
redis.call('ZREMRANGEBYSCORE', proven, '-inf', now - PROVEN_MS)
redis.call('ZREMRANGEBYRANK', proven, 0, -PROVEN_MAX - 1)
local unproven_room = math.max(1, math.floor(all_slots / 2)) - redis.call('ZCARD', unproven)

-- Jobs that no worker can take soon are better left in `due`, where they cost nothing.
local waiting = redis.call('LLEN', jobs)
local room = math.min(most, all_slots * 2 + 10 - waiting)
local lanes = {}

local function give(lane)
  lanes[#lanes + 1] = lane
end

local function give_unproven(lane)
  redis.call('ZADD', unproven, whole(now + lease_ms), lane .. '#0')
  unproven_room = unproven_room - 1
  give(lane)
end

while unproven_room > 0 and #lanes < room do
  local first = redis.call('ZPOPMIN', held)[1]
  if not first then break end
  lease(first)
  give_unproven(first)
end

local candidates = {}
if room > 0 then candidates = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, room) end
for _, lane in ipairs(candidates) do
  local ends = backs_off(lane)
  if ends then
    wait_for_backoff(lane, ends)
  else
    lease(lane)
    if redis.call('ZSCORE', proven, lane) or redis.call('ZSCORE', unproven, lane .. '#0') then
      give(lane)
    elseif unproven_room > 0 then
      give_unproven(lane)
    else
      redis.call('ZADD', held, 'NX', whole(now), lane)
    end
  end
end

local first_due, next_ms = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2], -1
if room > 0 and first_due then next_ms = math.max(0, tonumber(first_due) - now) end
local answer = { waiting + #lanes, redis.call('ZCARD', held), next_ms, unpack(lanes) }
if #lanes > 0 then
  redis.call('HSET', takes, node, id .. '\n' .. cjson.encode(answer))
  redis.call('PEXPIRE', takes, KEPT_MS)
end
return answer
