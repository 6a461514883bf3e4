#!lua flags=allow-oom
-- ARGV: the day before which they are. Days that were closed without a sum are forgotten with them.
for _, day in ipairs(redis.call('ZRANGEBYLEX', ADMISSION_DAYS, '-', '(' .. ARGV[1])) do
  redis.call('UNLINK', admissionsKey(day))
  redis.call('ZREM', ADMISSION_DAYS, day)
end
for _, day in ipairs(redis.call('HKEYS', CLOSED)) do
  if day < ARGV[1] and not redis.call('ZSCORE', DAYS, day) then redis.call('HDEL', CLOSED, day) end
end
return 1
