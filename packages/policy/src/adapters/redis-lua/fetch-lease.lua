#!lua
-- ARGV: domain, id, token, milliseconds. Answers 'ours', 'theirs', or the failure that holds off this id with the
-- milliseconds it still does. What has no end is not ours.
local lease, failed = KEYS[1] .. ':fetch:' .. ARGV[1], KEYS[1] .. ':fetch-failed:' .. ARGV[1]
for _, key in ipairs({ lease, failed }) do
  if redis.call('PTTL', key) == -1 then redis.call('UNLINK', key) end
end
if redis.call('EXISTS', failed) == 1 and redis.call('HGET', failed, 'id') == ARGV[2] then
  return { 'failed', redis.call('PTTL', failed), unpack(redis.call('HMGET', failed, 'type', 'reason')) }
end
if redis.call('SET', lease, ARGV[3], 'NX', 'PX', ARGV[4]) then return { 'ours' } end
return { 'theirs' }
