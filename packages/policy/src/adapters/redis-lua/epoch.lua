#!lua flags=allow-oom
-- ARGV: an epoch for a store that has none. Answers the one in force.
redis.call('SET', EPOCH, ARGV[1], 'NX')
return redis.call('GET', EPOCH)
