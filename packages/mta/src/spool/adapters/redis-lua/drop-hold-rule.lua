#!lua flags=allow-oom
redis.call('HDEL', HOLD_RULES, arg())
return { used() }
