#!lua flags=allow-oom
-- A write that is nothing but a trial.
redis.call('SET', P .. 'probe', clock())
return { used() }
