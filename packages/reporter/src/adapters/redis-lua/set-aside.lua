#!lua flags=allow-oom
-- ARGV: day, domain, token. A report that cannot be read is due no more, and is not done. Answers 0 when the claim has
-- passed to another.
local day, domain, token = unpack(ARGV)
local key = reportKey(day, domain)
if redis.call('HGET', key, 'token') ~= token then return 0 end
redis.call('HDEL', key, 'token')
redis.call('ZREM', dueKey(day), domain)
return 1
