#!lua
-- ARGV: domain, milliseconds. A lease ends by itself; what has no end is none.
local key = BASE .. ':lease:' .. ARGV[1]
if redis.call('PTTL', key) == -1 then redis.call('UNLINK', key) end
if tonumber(ARGV[2]) <= 0 then return 1 - redis.call('EXISTS', key) end
return redis.call('SET', key, '', 'NX', 'PX', ARGV[2]) and 1 or 0
