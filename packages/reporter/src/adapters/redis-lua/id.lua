#!lua flags=allow-oom
-- ARGV: an id, taken when there is none. Answers the store's.
redis.call('SET', BASE .. ':id', ARGV[1], 'NX')
return redis.call('GET', BASE .. ':id')
