#!lua flags=allow-oom
-- ARGV: domain, now. Answers the epoch and the entry.
return { redis.call('GET', EPOCH), entryOf(ARGV[1], ARGV[2]) or false }
