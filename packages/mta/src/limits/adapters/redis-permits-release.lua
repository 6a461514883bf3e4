-- Permits come back; those who wait are called. A permit whose lease had ended says nothing about the site.
-- ARGV  6 feedback of the permit: good, failed or unused  7 the round in which it was granted  8... permits
-- Answers: look again after ms.
local feedback, round = ARGV[6], tonumber(ARGV[7])

for at = 8, #ARGV do
  if redis.call('ZREM', held, ARGV[at]) == 1 then learn(feedback, round) end
end
call_waiting()
remember()
return look_again_ms()
