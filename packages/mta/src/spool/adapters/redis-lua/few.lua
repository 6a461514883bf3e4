#!lua flags=no-writes
-- All messages that may match a filter, in the order of their ids, when sets lead to few: those in a lane, or in the
-- lanes of a domain and in those of any domain, and whatever is given out or stopped. Answers nil when they are many.
local lane, domain, few = arg(), arg(), tonumber(arg())

local function leads_to(one)
  if lane ~= '' then return one == lane end
  return string.sub(one, 1, 3) ~= 'mx:' or string.find(one, ':' .. domain .. ':', 1, true)
end

local lanes = { lane }
if lane == '' then
  if redis.call('ZCARD', DUE) > few then return nil end
  lanes = redis.call('ZRANGE', DUE, 0, -1)
end
local sets, members = { LEASES, STOPPED }, 0
for _, one in ipairs(lanes) do
  if leads_to(one) then sets[#sets + 1] = laneKey(one) end
end
for _, key in ipairs(sets) do
  members = members + redis.call('ZCARD', key)
  if members > few then return nil end
end
local seen, ids = {}, {}
for _, key in ipairs(sets) do
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local id = split(member)
    if not seen[id] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
end
table.sort(ids)
return ids
