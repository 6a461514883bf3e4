#!lua flags=allow-oom
-- Only claimed by name until then: messages that were in flight at several deaths of a relay.
local untilMs, count = tonumber(arg()), tonumber(arg())
local now = clock()
redis.call('ZREMRANGEBYSCORE', ASIDE, '-inf', now)
for _ = 1, count do redis.call('ZADD', ASIDE, now + untilMs, arg()) end
return 1
