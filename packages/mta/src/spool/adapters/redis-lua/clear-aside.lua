#!lua flags=allow-oom
-- Claimed like any other from now on.
local id = arg()
redis.call('ZREM', ASIDE, id)
local f = facts(id)
for k = 0, (f and f.count or 0) - 1 do free(id, k, PARKED) end
return 1
