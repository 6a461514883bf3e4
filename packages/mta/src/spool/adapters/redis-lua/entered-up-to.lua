#!lua flags=no-writes
-- How far a file has been taken in.
return redis.call('HGET', ENTERED, arg()) or '0'
