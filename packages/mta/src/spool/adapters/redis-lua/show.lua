#!lua flags=no-writes
-- One message, or nothing.
local id = arg()
if redis.call('EXISTS', message(id)) == 0 then return {} end
return entry(id, clock())
