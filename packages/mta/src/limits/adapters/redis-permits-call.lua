-- A lease or a call may have ended: calls those who wait. First takes waiters out of the line that go away.
-- ARGV  6... waiters that go away
-- Answers: look again after ms.
for at = 6, #ARGV do
  redis.call('ZREM', waiting, ARGV[at])
  redis.call('ZREM', called, ARGV[at])
end
call_waiting()
return look_again_ms()
