#!lua
-- Gives out what is queued of messages whose age is over. What cannot be given out now is looked at again later: what is
-- out or has just become due in a minute, what is stopped when it may have been released.
local MESSAGES_MAX, SOON_MS, LATER_MS, NOTICE = 200, 60000, 300000, 'notice'
local after, before = arg(), arg()
local due_before, limit, lease_ms, holder = tonumber(arg()), tonumber(arg()), tonumber(arg()), arg()
local now = clock()
lapse(now)
local given = {}

local function look_at(id, f)
  local key, again = message(id), LATER_MS
  local ends = tonumber(expires(redis.call('HGET', key, 'e')))
  for k = 0, f.count - 1 do
    local d = parse(redis.call('HGET', key, 'd' .. k))
    if d.state == 'q' and d.lane ~= NOTICE then
      again = SOON_MS
      local just_due = d.due > ends and d.due > due_before and d.due <= now
      if not just_due and not isLeased(id .. '/' .. k, now) and not isSetAside(id, now) then
        given[#given + 1] = grant(id, k, now + lease_ms, holder)
      end
    end
  end
  redis.call('ZADD', EXPIRY, string.format('%.0f', now + again), id)
end

for _, id in ipairs(redis.call('ZRANGE', EXPIRY, '(' .. after, before, 'BYSCORE', 'LIMIT', 0, MESSAGES_MAX)) do
  local f = facts(id)
  if f then look_at(id, f) else redis.call('ZREM', EXPIRY, id) end
  if #given >= limit then break end
end
return given
