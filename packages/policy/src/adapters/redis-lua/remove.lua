#!lua flags=allow-oom
-- ARGV: domain. Whatever its entry is by now, it goes.
local known = redis.call('ZSCORE', NAMES, ARGV[1])
unindex(ARGV[1])
local removed = redis.call('UNLINK', entryKey(ARGV[1]))
return (known or removed == 1) and 1 or 0
