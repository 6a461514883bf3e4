#!lua flags=allow-oom
-- ARGV: on or off. Whatever is there by now is replaced.
if ARGV[1] == 'on' then return redis.call('SET', KEYS[1] .. ':dane-enabled', 'on') end
return redis.call('UNLINK', KEYS[1] .. ':dane-enabled')
