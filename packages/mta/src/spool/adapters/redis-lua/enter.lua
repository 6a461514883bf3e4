#!lua
-- Takes in messages as another spool kept them, and remembers how far their file has come. Without allow-oom: a full
-- server refuses all of them before anything is written.
local FILES_MAX = 1000
local file, from, upTo, count = arg(), arg(), arg(), tonumber(arg())
local now = clock()
if (redis.call('HGET', ENTERED, file) or '0') ~= from then return { used(), 'overtaken' } end
local made = {}
for n = 1, count do made[n] = insert(now, true) end
redis.call('HSET', ENTERED, file, upTo)
redis.call('ZADD', ENTERED_AT, now, file)
for _, old in ipairs(redis.call('ZRANGE', ENTERED_AT, 0, -FILES_MAX - 1)) do
  redis.call('HDEL', ENTERED, old)
  redis.call('ZREM', ENTERED_AT, old)
end
return { used(), made }
