#!lua flags=allow-oom
-- ARGV: day, limit. Deletes so many reports, and the day itself behind the last. Answers how many there were.
local day = ARGV[1]
local names = redis.call('ZRANGE', namesKey(day), 0, tonumber(ARGV[2]) - 1)
for _, domain in ipairs(names) do
  redis.call('UNLINK', reportKey(day, domain))
  redis.call('HDEL', sumsKey(day), domain)
  redis.call('ZREM', dueKey(day), domain)
  redis.call('ZREM', namesKey(day), domain)
end
if #names == 0 then
  redis.call('UNLINK', sumsKey(day), namesKey(day), dueKey(day), doneKey(day))
  redis.call('ZREM', DAYS, day)
  redis.call('HDEL', CLOSED, day)
end
return #names
