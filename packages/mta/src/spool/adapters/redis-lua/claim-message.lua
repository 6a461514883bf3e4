#!lua
-- Gives out everything of one message that is due and not given out, also when it is set aside.
local id, leaseMs, holder = arg(), tonumber(arg()), arg()
local now = clock()
local given = {}
lapse(now)
local f = facts(id)
for k = 0, (f and f.count or 0) - 1 do
  local d = parse(redis.call('HGET', message(id), 'd' .. k))
  local parked = redis.call('HGET', message(id), 't' .. k) == PARKED
  if d.state == 'q' and d.due <= now and (parked or not isLeased(id .. '/' .. k, now)) then
    given[#given + 1] = grant(id, k, now + leaseMs, holder)
  end
end
return given
