#!lua flags=no-writes
-- All rules that hold mail, as they were written.
return redis.call('HVALS', HOLD_RULES)
