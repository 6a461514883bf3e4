#!lua flags=allow-oom
-- ARGV: domain, token, and of a failure: id, result type, reason, milliseconds that it holds off.
local lease, failed = KEYS[1] .. ':fetch:' .. ARGV[1], KEYS[1] .. ':fetch-failed:' .. ARGV[1]
if redis.call('GET', lease) ~= ARGV[2] then return 0 end
redis.call('UNLINK', lease, failed)
if ARGV[3] ~= nil then
  redis.call('HSET', failed, 'id', ARGV[3], 'type', ARGV[4], 'reason', ARGV[5])
  redis.call('PEXPIRE', failed, ARGV[6])
end
return 1
