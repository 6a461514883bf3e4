-- A process takes its id.
-- ARGV  4 node  5 incarnation  6 record  7 incarnation of a holder that is known to be dead, or empty
-- Answers {1, now, record of who had the id or empty} or {0, now, record of who has it, age of its beat, its wish or empty}.
local node, incarnation, record, dead = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
forget_old()
local holder = redis.call('HGET', holders, node)
local before = ''
if holder and holder ~= incarnation then
  local age = beat_age(node)
  before = redis.call('HGET', records, node) or ''
  if holder ~= dead and age and age < silent_ms then
    return { 0, now, before, age, redis.call('HGET', wishes, node) or '' }
  end
  redis.call('HDEL', wishes, node)
end
write(node, incarnation, record)
return { 1, now, before }
