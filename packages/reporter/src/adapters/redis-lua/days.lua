#!lua flags=allow-oom
return redis.call('ZRANGE', DAYS, 0, -1)
