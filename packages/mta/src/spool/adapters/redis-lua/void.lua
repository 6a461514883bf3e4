#!lua flags=allow-oom
-- Removes what accepts of unknown outcome may have left, and refuses their ids from now on.
local keptMs, count = arg(), tonumber(arg())
local gone = {}
for _ = 1, count do
  local id = arg()
  redis.call('SET', P .. 'void:' .. id, 1, 'PX', keptMs)
  gone[#gone + 1] = remove(id)
end
return { used(), gone }
