-- Whether a message has a delivery as a filter of the queue asks for, and perhaps its sender and tag: texts that its
-- envelope then holds. What is empty asks for nothing.
local function matches(id, lane, state, domain, sender, tag)
  if sender ~= '' or tag ~= '' then
    local envelope = redis.call('HGET', message(id), 'e')
    if not string.find(envelope, sender, 1, true) or not string.find(envelope, tag, 1, true) then return false end
  end
  if lane == '' and state == '' and domain == '' then return true end
  local f = facts(id)
  for k = 0, f.count - 1 do
    local raw = redis.call('HGET', message(id), 'd' .. k)
    local d = parse(raw)
    local domains = string.match(raw, '^[^\n]*\n([^\n]*)\n')
    if
      d.state ~= 's'
      and (lane == '' or d.lane == lane)
      and (state == '' or d.state == state)
      and (domain == '' or string.find(domains, domain, 1, true))
    then
      return true
    end
  end
  return false
end
