#!lua
-- ARGV: batch, now, since when batches are remembered, then of each: day, domain, the version that it replaces (0: there
-- is none), the new sum behind its version. Nothing is written when one of them has changed meanwhile.
local batch, now, since = ARGV[1], ARGV[2], ARGV[3]
if redis.call('ZSCORE', BATCHES, batch) then return 'repeated' end
for at = 4, #ARGV, 4 do
  local day, domain, version = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('HEXISTS', CLOSED, day) == 1 then return 'changed' end
  local before = redis.call('HGET', sumsKey(day), domain)
  if (before and string.match(before, '^%d+') or '0') ~= version then return 'changed' end
end
redis.call('ZREMRANGEBYSCORE', BATCHES, '-inf', '(' .. since)
redis.call('ZADD', BATCHES, now, batch)
for at = 4, #ARGV, 4 do
  local day, domain = ARGV[at], ARGV[at + 1]
  redis.call('ZADD', DAYS, 0, day)
  redis.call('ZADD', namesKey(day), 0, domain)
  redis.call('HSET', sumsKey(day), domain, ARGV[at + 3])
end
return 'stored'
