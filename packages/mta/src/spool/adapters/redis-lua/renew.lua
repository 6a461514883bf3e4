#!lua flags=allow-oom
-- Extends leases that are still the caller's; answers one digit per lease.
local leaseMs, count = tonumber(arg()), tonumber(arg())
local now = clock()
local ours = {}
for n = 1, count do
  local id, k, holder = arg(), arg(), arg()
  local member = id .. '/' .. k
  local kept = redis.call('HGET', message(id), 't' .. k) == holder and isLeased(member, now)
  if kept then redis.call('ZADD', LEASES, 'XX', now + leaseMs, member) end
  ours[n] = kept and '1' or '0'
end
return ours
