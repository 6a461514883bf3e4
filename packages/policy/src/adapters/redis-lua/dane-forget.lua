#!lua flags=allow-oom
-- ARGV: subject. Answers 1 for one of those who forget it together.
return redis.call('ZREM', KEYS[1] .. ':dane-seen', ARGV[1])
