#!lua flags=allow-oom
-- ARGV: domain, fetchedAt of the entry that is meant, refreshAt, and of a failure: when, why. Answers the failures in
-- a row, nil when the entry is gone or another.
local domain, fetched, refresh, failedAt, failure = unpack(ARGV)
local key = entryKey(domain)
if typeOf(key) ~= 'hash' or redis.call('HGET', key, 'fetched') ~= fetched then return false end
redis.call('ZADD', REFRESH, refresh, domain)
redis.call('HSET', key, 'refresh', refresh)
if failedAt == nil then return tonumber(redis.call('HGET', key, 'failures')) end
redis.call('HSET', key, 'failed', failedAt, 'failure', failure)
return redis.call('HINCRBY', key, 'failures', 1)
