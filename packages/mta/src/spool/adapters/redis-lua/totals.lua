#!lua flags=no-writes
-- A slice of the walk that counts everything: where it ended, the totals, then per lane its queued deliveries.
local after, slice = arg(), tonumber(arg())
local ids = redis.call('ZRANGE', IDS, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, slice)
local bytes, oldest, open, held, quarantined = 0, nil, 0, 0, 0
local lanes, order = {}, {}
for _, id in ipairs(ids) do
  local f = facts(id)
  bytes = bytes + tonumber(f.size)
  oldest = math.min(oldest or f.received, f.received)
  for k = 0, f.count - 1 do
    local d = parse(redis.call('HGET', message(id), 'd' .. k))
    open = open + d.open
    if d.state == 'h' then held = held + 1 end
    if d.state == 'x' then quarantined = quarantined + 1 end
    if d.state == 'q' then
      local total = lanes[d.lane]
      if not total then
        total = { count = 0, oldest = f.received }
        lanes[d.lane] = total
        order[#order + 1] = d.lane
      end
      total.count = total.count + 1
      total.oldest = math.min(total.oldest, f.received)
    end
  end
end
local function text(n) return string.format('%.0f', n) end
local perLane = {}
for n, lane in ipairs(order) do perLane[n] = { lane, text(lanes[lane].count), text(lanes[lane].oldest) } end
return {
  ids[#ids] or '',
  #ids < slice and '1' or '0',
  { text(#ids), text(bytes), oldest and text(oldest) or '', text(open), text(held), text(quarantined) },
  perLane,
}
