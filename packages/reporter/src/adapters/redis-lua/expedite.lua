#!lua flags=allow-oom
-- ARGV: day, time, how many of those that are due later to step over, limit. Answers how many were looked at, and how many
-- of them somebody works on.
local day, time, skipped, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local later = redis.call('ZRANGEBYSCORE', dueKey(day), '(' .. time, '+inf', 'LIMIT', skipped, limit)
local claimed = 0
for _, domain in ipairs(later) do
  if redis.call('HEXISTS', reportKey(day, domain), 'token') == 1 then
    claimed = claimed + 1
  else
    redis.call('ZADD', dueKey(day), time, domain)
  end
end
return { #later, claimed }
