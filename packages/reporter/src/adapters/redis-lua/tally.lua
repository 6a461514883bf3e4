#!lua flags=allow-oom
-- ARGV: day, domain. Answers the sum behind its version, or false.
return redis.call('HGET', sumsKey(ARGV[1]), ARGV[2])
