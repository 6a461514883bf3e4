-- A turn ends: the lane's entry says when it is next. The end of a turn that another has replaced changes nothing.
-- ARGV  2 lane  3 slot  4 token  5 idle, more, parked or backoff  6 ms from now, of parked and backoff
--       7 'moved' when it made progress, 'silent' when no host said a word in its time
-- Answers 1 when a take would find something.
local IDLE_AGAIN_MS = 250
local deliveries = KEYS[15]
local lane, slot, token, kind = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local member = lane .. '#' .. slot

-- A lane that still has free work right after it was said to have none could not be served: not again at once.
local function earliest_delivery()
  local earliest = earliest_in(deliveries)
  return earliest and math.max(earliest, now + IDLE_AGAIN_MS) or nil
end

-- Somebody lowered the entry since the lane was taken.
local function woken_for()
  local score, left = redis.call('ZSCORE', due, lane), redis.call('HGET', taken, lane)
  if score and (not left or tonumber(score) < tonumber(left)) then return tonumber(score) end
  return nil
end

local function set_next()
  local following = woken_for()
  local own = nil
  if kind == 'more' then own = now end
  if kind == 'parked' then own = now + tonumber(ARGV[6]) end
  if kind == 'idle' then own = earliest_delivery() end
  if own and (not following or own < following) then following = own end
  redis.call('HDEL', taken, lane)
  if following then
    redis.call('ZADD', due, whole(following), lane)
  else
    redis.call('ZREM', due, lane)
    redis.call('ZREM', urgent, lane)
    redis.call('HDEL', silences, lane)
  end
end

if redis.call('HGET', turns, member) == token then
  redis.call('HDEL', turns, member)
  count_no_more(member)
  if ARGV[7] == 'moved' then prove(lane) end
  if ARGV[7] == 'silent' then
    redis.call('ZREM', proven, lane)
    redis.call('HINCRBY', silences, lane, 1)
  end
  if kind == 'backoff' then
    local ends = whole(now + tonumber(ARGV[6]))
    redis.call('HSET', backoff, lane, ends)
    redis.call('ZREM', proven, lane)
    wait_for_backoff(lane, ends)
  elseif slot == '0' then
    set_next()
  end
end

local waits = redis.call('ZCARD', held) + redis.call('ZCARD', held_silent) > 0 or redis.call('ZCOUNT', due, '-inf', now) > 0
return waits and 1 or 0
