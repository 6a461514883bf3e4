#!lua
-- Gives out deliveries of a lane whose time has come, class by class, oldest due first. What is set aside is parked
-- instead. Every eighth time that a class was left waiting, one that is not the highest comes first (`class-order.ts`).
local lane, limit, leaseMs, holder = arg(), tonumber(arg()), tonumber(arg()), arg()
local parkMs = tonumber(arg())
local LEFT, TURNED_EVERY = P .. 'left', 8
local TURNED = { { 'n', 'u', 'b' }, { 'b', 'u', 'n' } }
local now = clock()
lapse(now)
local given = {}

local function giveOf(class)
  while #given < limit do
    local wanted = limit - #given
    local members = due_of_class(laneKey(lane), class, now, wanted)
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
end

local left = tonumber(redis.call('HGET', LEFT, lane) or 0)
local order = CLASS_ORDER
if left % TURNED_EVERY == TURNED_EVERY - 1 then order = TURNED[math.floor(left / TURNED_EVERY) % 2 + 1] end
local isWaiting = false
for _, class in ipairs(order) do
  if #given < limit then
    giveOf(class)
  elseif #due_of_class(laneKey(lane), class, now, 1) > 0 then
    isWaiting = true
  end
end
if isWaiting then
  redis.call('HSET', LEFT, lane, left + 1)
elseif left > 0 then
  redis.call('HDEL', LEFT, lane)
end
return given
