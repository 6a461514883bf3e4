#!lua flags=no-writes
-- What is needed to read a content.
local id = arg()
return redis.call('HMGET', message(id), 'i', 'e', 'c')
