-- A turn begins: every wake until now is its business.
-- ARGV  2 lane  3 slot  4 token of the turn
-- Answers -1 when the lane backs off, 1 when it made progress lately, else 0.
local lane, slot, token = ARGV[2], ARGV[3], ARGV[4]
local member = lane .. '#' .. slot

local ends = backs_off(lane)
if ends then
  if slot == '0' then
    wait_for_backoff(lane, ends)
    redis.call('ZREM', unproven, member)
  end
  return -1
end
redis.call('HSET', turns, member, token)
if slot == '0' then lease(lane) end
redis.call('ZREM', held, lane)
if redis.call('ZSCORE', proven, lane) then return 1 end
redis.call('ZADD', unproven, whole(now + lease_ms), member)
return 0
