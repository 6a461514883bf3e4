#!lua
-- A slice of the walk over old messages in the order of arrival: gives out what is queued and free, and of which nobody
-- was told that it is delayed. Answers where it ended, whether that is the end for now, and what it gave.
local NOTICE = 'notice'
local after, slice, arrived_before, lease_ms, holder = arg(), tonumber(arg()), tonumber(arg()), tonumber(arg()), arg()
local now = clock()
local given, last = {}, after
local ids = redis.call('ZRANGE', IDS, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, slice)
for _, id in ipairs(ids) do
  local f = facts(id)
  if f and f.received > arrived_before then return { last, '1', given } end
  last = id
  for k = 0, (f and f.count or 0) - 1 do
    local raw = redis.call('HGET', message(id), 'd' .. k)
    local d = parse(raw)
    local untold = string.match(raw, '^[^\n]*\n[^\n]*\n([^\n]*)\n') == ''
    if d.state == 'q' and d.lane ~= NOTICE and untold and not isLeased(id .. '/' .. k, now) and not isSetAside(id, now) then
      given[#given + 1] = grant(id, k, now + lease_ms, holder)
    end
  end
end
return { last, #ids < slice and '1' or '0', given }
