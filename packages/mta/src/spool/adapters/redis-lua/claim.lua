#!lua
-- Gives out deliveries of a lane whose time has come, oldest due first. What is set aside is parked instead.
local lane, limit, leaseMs, holder = arg(), tonumber(arg()), tonumber(arg()), arg()
local parkMs = tonumber(arg())
local now = clock()
lapse(now)
local given = {}
while #given < limit do
  local wanted = limit - #given
  local members = redis.call('ZRANGE', laneKey(lane), '-inf', now, 'BYSCORE', 'LIMIT', 0, wanted)
  for _, member in ipairs(members) do
    local id, k = split(member)
    redis.call('ZREM', laneKey(lane), member)
    if isSetAside(id, now) then
      grant(id, k, now + parkMs, PARKED)
    else
      given[#given + 1] = grant(id, k, now + leaseMs, holder)
    end
  end
  if #members < wanted then break end
end
return given
