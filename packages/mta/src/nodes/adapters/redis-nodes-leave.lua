-- A process goes, and takes its id along when it still has it.
-- ARGV  4 node  5 incarnation
if redis.call('HGET', holders, ARGV[4]) == ARGV[5] then forget(ARGV[4]) end
return 0
