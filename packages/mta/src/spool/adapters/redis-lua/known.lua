#!lua flags=no-writes
-- Which messages are there; one digit each.
local count = tonumber(arg())
local known = {}
for n = 1, count do known[n] = redis.call('EXISTS', message(arg())) == 1 and '1' or '0' end
return known
