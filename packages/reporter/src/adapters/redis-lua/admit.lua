#!lua flags=allow-oom
-- ARGV: day, site, how many attempts there may be. Answers 1 when this is one of them.
local attempts = tonumber(redis.call('HGET', admissionsKey(ARGV[1]), ARGV[2]) or 0)
if attempts >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', ADMISSION_DAYS, 0, ARGV[1])
redis.call('HINCRBY', admissionsKey(ARGV[1]), ARGV[2], 1)
return 1
