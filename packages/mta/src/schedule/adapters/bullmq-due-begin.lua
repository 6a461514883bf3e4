-- A turn begins: every wake until now is its business.
-- ARGV  2 lane  3 slot  4 token of the turn
-- Answers -1 when the lane backs off, -2 when it made progress lately, else how often it was silent.
local lane, slot, token = ARGV[2], ARGV[3], ARGV[4]
local member = lane .. '#' .. slot

local ends = backs_off(lane)
if ends then
  if slot == '0' then
    wait_for_backoff(lane, ends)
    count_no_more(member)
  end
  return -1
end
redis.call('HSET', turns, member, token)
if slot == '0' then lease(lane) end
redis.call('ZREM', held, lane)
redis.call('ZREM', held_silent, lane)
if redis.call('ZSCORE', proven, lane) then return -2 end
count_unproven(lane, member)
return tonumber(redis.call('HGET', silences, lane) or 0)
