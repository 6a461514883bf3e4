-- Lowers the due times of woken lanes, then takes lanes whose time has come: each gets a job from who asks, or, with mail
-- of the top class, a slot that who asks keeps for such mail.
-- Lanes without progress together get at most half of all slots, those that were silent before at most a quarter; the rest
-- of them is held back. Of those that nobody knows the newest come first, and now and then the oldest.
-- ARGV  2 id of this take  3 node  4 its slots, 0 when it takes no part  5 how long the node counts (ms)
--       6 lanes at most  7 its free slots for the top class  8... woken lanes: lane, ms from now, 'operator' or 'urgent'
-- Answers {lane jobs that wait, lanes held back, ms until more is due or -1, how many lanes get a slot at once, lane...};
-- the same again for the same id.
local KEPT_MS, PROVEN_MS, PROVEN_MAX, OLDEST_EVERY = 60000, 3600000, 10000, 8
local slots, takes, jobs = KEYS[8], KEYS[9], KEYS[10]
local id, node, node_slots, node_ms, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local known = redis.call('HGET', takes, node)
if known and string.sub(known, 1, #id + 1) == id .. '\n' then
  return cjson.decode(string.sub(known, #id + 2))
end

for at = 8, #ARGV, 3 do
  local lane = ARGV[at]
  if ARGV[at + 2] == 'operator' then redis.call('HDEL', backoff, lane) end
  if ARGV[at + 2] == 'urgent' then redis.call('ZADD', urgent, 'NX', whole(now), lane) end
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

for _, key in ipairs({ unproven, silent }) do redis.call('ZREMRANGEBYSCORE', key, '-inf', now) end
redis.call('ZREMRANGEBYSCORE', proven, '-inf', now - PROVEN_MS)
redis.call('ZREMRANGEBYRANK', proven, 0, -PROVEN_MAX - 1)
local unproven_room = math.max(1, math.floor(all_slots / 2)) - redis.call('ZCARD', unproven)
local silent_room = math.max(1, math.floor(all_slots / 4)) - redis.call('ZCARD', silent)

-- Jobs that no worker can take soon are better left in `due`, where they cost nothing.
local waiting = redis.call('LLEN', jobs)
local room = math.min(most, all_slots * 2 + 10 - waiting)
local at_once, lanes = {}, {}

local function was_silent(lane)
  return redis.call('HEXISTS', silences, lane) == 1
end

local function is_counted(lane)
  return redis.call('ZSCORE', proven, lane) or redis.call('ZSCORE', unproven, lane .. '#0')
end

local function has_room(lane)
  return unproven_room > 0 and (silent_room > 0 or not was_silent(lane))
end

local function give(lane, to)
  lease(lane)
  if not is_counted(lane) then
    count_unproven(lane, lane .. '#0')
    unproven_room = unproven_room - 1
    if was_silent(lane) then silent_room = silent_room - 1 end
  end
  redis.call('ZREM', urgent, lane)
  to[#to + 1] = lane
end

-- Those with mail of the top class come first, but never get all of what is to be had.
local urgent_free, urgent_held = tonumber(ARGV[7]), 0

local function take_urgent(lane)
  local at = tonumber(redis.call('ZSCORE', due, lane) or 0)
  if at == 0 then
    redis.call('ZREM', urgent, lane)
    return
  end
  if at > now or backs_off(lane) then return end
  if not is_counted(lane) and not has_room(lane) then
    urgent_held = urgent_held + 1
  elseif #at_once < urgent_free and redis.call('HEXISTS', turns, lane .. '#0') == 0 then
    give(lane, at_once)
  elseif #lanes < room / 2 then
    give(lane, lanes)
  end
end

if node_slots > 0 then
  for _, lane in ipairs(redis.call('ZRANGE', urgent, 0, most - 1)) do take_urgent(lane) end
end

local function hold(lane)
  lease(lane)
  redis.call('ZADD', was_silent(lane) and held_silent or held, 'NX', whole(now), lane)
end

local candidates = {}
if room > 0 then candidates = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, most) end
for _, lane in ipairs(candidates) do
  local ends = backs_off(lane)
  if ends then
    wait_for_backoff(lane, ends)
  elseif not is_counted(lane) then
    hold(lane)
  elseif #lanes < room then
    give(lane, lanes)
  end
end

-- The lines of those that are held back take turns.
local function next_held(turn)
  local oldest = turn % OLDEST_EVERY == 0
  local silent_first = silent_room > 0 and turn % 2 == 1 and redis.call('ZPOPMIN', held_silent)[1]
  return silent_first or redis.call(oldest and 'ZPOPMIN' or 'ZPOPMAX', held)[1]
    or silent_room > 0 and redis.call('ZPOPMIN', held_silent)[1]
end

local turn = now
while unproven_room > 0 and #lanes < room do
  local first = next_held(turn)
  if not first then break end
  give(first, lanes)
  turn = turn + 1
end

local first_due, next_ms = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2], -1
if room > 0 and first_due then next_ms = math.max(0, tonumber(first_due) - now) end
local all_held = redis.call('ZCARD', held) + redis.call('ZCARD', held_silent) + urgent_held
local answer = { waiting + #lanes, all_held, next_ms, #at_once }
for _, lane in ipairs(at_once) do answer[#answer + 1] = lane end
for _, lane in ipairs(lanes) do answer[#answer + 1] = lane end
if #answer > 4 then
  redis.call('HSET', takes, node, id .. '\n' .. cjson.encode(answer))
  redis.call('PEXPIRE', takes, KEPT_MS)
end
return answer
