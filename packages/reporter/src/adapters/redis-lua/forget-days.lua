#!lua flags=allow-oom
-- ARGV: the day before which they are. Answers each with the number of its reports that were never done.
local days = {}
for _, day in ipairs(redis.call('ZRANGEBYLEX', DAYS, '-', '(' .. ARGV[1])) do
  days[#days + 1] = { day, redis.call('ZCARD', namesKey(day)) - tonumber(redis.call('GET', doneKey(day)) or 0) }
end
return days
