#!lua flags=allow-oom
-- ARGV: the day before which they are. Those whose reports are not all planned yet are open still.
local open = {}
for _, day in ipairs(redis.call('ZRANGEBYLEX', DAYS, '-', '(' .. ARGV[1])) do
  if redis.call('HGET', CLOSED, day) ~= 'closed' then open[#open + 1] = day end
end
return open
