#!lua flags=allow-oom
-- ARGV: day. From here on its sums stand. Answers 0 when the day is closed already, or has no sums and is closed now.
if redis.call('HGET', CLOSED, ARGV[1]) == 'closed' then return 0 end
local reports = redis.call('ZCARD', namesKey(ARGV[1]))
redis.call('HSET', CLOSED, ARGV[1], reports == 0 and 'closed' or 'closing')
return reports
