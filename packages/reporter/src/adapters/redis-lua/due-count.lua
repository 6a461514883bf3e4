#!lua flags=allow-oom
-- ARGV: day, time, how many to step over, limit. Answers how many were looked at, and how many of them nobody works on.
local due = redis.call('ZRANGEBYSCORE', dueKey(ARGV[1]), '-inf', ARGV[2], 'LIMIT', ARGV[3], ARGV[4])
local free = 0
for _, domain in ipairs(due) do
  if redis.call('HEXISTS', reportKey(ARGV[1], domain), 'token') == 0 then free = free + 1 end
end
return { #due, free }
