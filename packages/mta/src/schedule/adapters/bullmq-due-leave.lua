-- The node gives no more turns.
-- ARGV  2 node  3 its slots
redis.call('ZREM', KEYS[8], ARGV[2] .. ' ' .. ARGV[3])
redis.call('HDEL', KEYS[9], ARGV[2])
return 0
