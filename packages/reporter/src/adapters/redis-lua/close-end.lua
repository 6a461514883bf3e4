#!lua flags=allow-oom
-- ARGV: day. Answers 1 to the one who has closed it.
if redis.call('HGET', CLOSED, ARGV[1]) ~= 'closing' then return 0 end
redis.call('HSET', CLOSED, ARGV[1], 'closed')
return 1
