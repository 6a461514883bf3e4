#!lua
-- ARGV: subject, seenAt, how many may stay.
redis.call('ZADD', KEYS[1] .. ':dane-seen', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1] .. ':dane-seen', 0, -1 - tonumber(ARGV[3]))
return 1
