#!lua flags=allow-oom
-- ARGV: now, end of the lease, token, a day or nothing. Answers day, domain, the sum, and the fields of the report; no
-- fields when something else is in its place: then it is due no more.
local now, lease, token, only = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local first
for _, day in ipairs(only == '' and redis.call('ZRANGE', DAYS, 0, -1) or { only }) do
  local found = redis.call('ZRANGEBYSCORE', dueKey(day), '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  if found[1] and (not first or tonumber(found[2]) < first.at) then
    first = { day = day, domain = found[1], at = tonumber(found[2]) }
  end
end
if not first then return false end
local key = reportKey(first.day, first.domain)
local kind = redis.call('TYPE', key).ok
if kind ~= 'none' and kind ~= 'hash' then
  redis.call('ZREM', dueKey(first.day), first.domain)
  return { first.day, first.domain, false, false }
end
redis.call('ZADD', dueKey(first.day), lease, first.domain)
redis.call('HSET', key, 'token', token)
return { first.day, first.domain, redis.call('HGET', sumsKey(first.day), first.domain), redis.call('HGETALL', key) }
