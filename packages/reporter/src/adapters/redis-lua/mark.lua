#!lua flags=allow-oom
-- ARGV: day, domain, token, targets, first attempt (or nothing), due time (nothing: it is done), whether the claim goes on,
-- then what is kept once: id, bytes, when they were made. Answers 0 when the claim has passed to another.
local day, domain, token, targets, first, due, goesOn = unpack(ARGV)
local key = reportKey(day, domain)
if redis.call('HGET', key, 'token') ~= token then return 0 end
redis.call('HSET', key, 'targets', targets)
if first ~= '' then redis.call('HSETNX', key, 'first', first) end
if ARGV[8] and redis.call('HEXISTS', key, 'bytes') == 0 then
  redis.call('HSET', key, 'id', ARGV[8], 'bytes', ARGV[9], 'made', ARGV[10])
end
if goesOn ~= '1' then redis.call('HDEL', key, 'token') end
if due == '' then
  redis.call('HSET', key, 'done', 1)
  redis.call('ZREM', dueKey(day), domain)
  redis.call('INCR', doneKey(day))
else
  redis.call('ZADD', dueKey(day), due, domain)
end
return 1
