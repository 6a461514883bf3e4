#!lua flags=no-writes
return redis.call('ZRANGE', DAYS, 0, -1)
