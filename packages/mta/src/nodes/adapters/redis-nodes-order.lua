-- What an operator wants of a node.
-- ARGV  4 node  5 wish
-- Answers 2 when the node will hear it, 1 when it is silent, 0 when it is unknown.
local node, wish = ARGV[4], ARGV[5]
local age = beat_age(node)
if not age then return 0 end
if age >= silent_ms then return 1 end
redis.call('HSET', wishes, node, wish)
return 2
