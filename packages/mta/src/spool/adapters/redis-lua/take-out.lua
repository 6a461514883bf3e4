#!lua flags=allow-oom
-- Removes messages of which nothing is queued or given out.
local count = tonumber(arg())
local now = clock()
local gone = {}
for _ = 1, count do
  local id = arg()
  local f = facts(id)
  local stays = f == nil
  for k = 0, (f and f.count or 0) - 1 do
    local d = parse(redis.call('HGET', message(id), 'd' .. k))
    if d.state == 'q' or isLeased(id .. '/' .. k, now) then stays = true end
  end
  if not stays then gone[#gone + 1] = remove(id) end
end
return { used(), gone }
