#!lua flags=allow-oom
-- ARGV: subject.
return redis.call('ZSCORE', KEYS[1] .. ':dane-seen', ARGV[1])
