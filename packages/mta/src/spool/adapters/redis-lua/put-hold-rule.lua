#!lua
-- Writes a rule, or writes it anew.
redis.call('HSET', HOLD_RULES, arg(), arg())
return { used() }
