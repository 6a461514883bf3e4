#!lua flags=allow-oom
-- Lanes with free work due by then, and the mending of entries that are earlier than their lane's earliest work.
local before, limit, outdatedMax = arg(), tonumber(arg()), tonumber(arg())
lapse(clock())
local due = {}
for _, lane in ipairs(redis.call('ZRANGE', DUE, '-inf', before, 'BYSCORE', 'LIMIT', 0, limit + outdatedMax)) do
  local first = redis.call('ZRANGE', laneKey(lane), 0, 0, 'WITHSCORES')
  if not first[2] then
    redis.call('ZREM', DUE, lane)
  else
    redis.call('ZADD', DUE, 'GT', first[2], lane)
    if tonumber(first[2]) <= tonumber(before) then due[#due + 1] = { lane, first[2] } end
  end
end
table.sort(due, function(a, b)
  local x, y = tonumber(a[2]), tonumber(b[2])
  return x < y or (x == y and a[1] < b[1])
end)
while #due > limit do table.remove(due) end
return due
