#!lua flags=allow-oom
-- Answers all orders, to one of those who ask.
local orders = redis.call('LRANGE', KEYS[1] .. ':orders', 0, -1)
redis.call('UNLINK', KEYS[1] .. ':orders')
return orders
