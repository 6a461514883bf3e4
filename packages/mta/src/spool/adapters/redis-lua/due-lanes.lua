#!lua flags=allow-oom
-- Lanes with free work due by then, and the mending of entries that are earlier than their lane's earliest work.
local before, limit, outdatedMax = arg(), tonumber(arg()), tonumber(arg())
lapse(clock())
local due = {}
for _, lane in ipairs(redis.call('ZRANGE', DUE, '-inf', before, 'BYSCORE', 'LIMIT', 0, limit + outdatedMax)) do
  local first = earliest_in(laneKey(lane))
  if not first then
    redis.call('ZREM', DUE, lane)
  else
    local text = string.format('%.0f', first)
    redis.call('ZADD', DUE, 'GT', text, lane)
    if first <= tonumber(before) then due[#due + 1] = { lane, text } end
  end
end
table.sort(due, function(a, b)
  local x, y = tonumber(a[2]), tonumber(b[2])
  return x < y or (x == y and a[1] < b[1])
end)
while #due > limit do table.remove(due) end
return due
