-- Permits come back; those who wait are called. A permit whose lease had ended says nothing about the site.
-- ARGV  6 feedback of the permit: good, failed or unused  7 the round in which it was granted  8... permits
-- Answers: look again after ms.
local feedback, round = ARGV[6], tonumber(ARGV[7])

local function learn()
  if initial == 0 then return end
  local milli = limit_milli()
  if feedback == 'good' then
    milli = math.min(ceiling * 1000, milli + math.floor(1000000 / milli))
  elseif feedback == 'failed' and round >= round_now() then
    milli = math.max(1000, math.floor(milli / 2))
    redis.call('HINCRBY', state, 'round', 1)
  end
  redis.call('HSET', state, 'limit', whole(milli))
end

for at = 8, #ARGV do
  if redis.call('ZREM', held, ARGV[at]) == 1 then learn() end
end
call_waiting()
remember()
return look_again_ms()
