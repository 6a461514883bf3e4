#!lua flags=allow-oom
-- ARGV: day, the domain after which to begin (empty: the first), limit. Answers domains.
local after = ARGV[2] == '' and '-' or '(' .. ARGV[2]
return redis.call('ZRANGEBYLEX', namesKey(ARGV[1]), after, '+', 'LIMIT', 0, ARGV[3])
