#!lua
-- ARGV: the order, how many may wait.
redis.call('RPUSH', KEYS[1] .. ':orders', ARGV[1])
redis.call('LTRIM', KEYS[1] .. ':orders', -tonumber(ARGV[2]), -1)
return 1
