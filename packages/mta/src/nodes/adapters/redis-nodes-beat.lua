-- A process says that it lives. A store that has lost its nodes learns them again by this.
-- ARGV  4 node  5 incarnation  6 record
-- Answers {1, now, wish or empty} or {0, now, record of the process that has the id now}.
local node, incarnation, record = ARGV[4], ARGV[5], ARGV[6]
local holder = redis.call('HGET', holders, node)
if holder and holder ~= incarnation then
  return { 0, now, redis.call('HGET', records, node) or '' }
end
write(node, incarnation, record)
return { 1, now, redis.call('HGET', wishes, node) or '' }
