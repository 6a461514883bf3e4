#!lua flags=no-writes
-- A slice of the walk that counts everything: where it ended, the totals, then how many of each name and age class there
-- are, with the oldest. by: lane, domain (of recipients), sender, tag; 'totals' counts lanes and tags.
local after, slice, by, count = arg(), tonumber(arg()), arg(), tonumber(arg())
local edges = {}
for n = 1, count do edges[n] = tonumber(arg()) end
local ids = redis.call('ZRANGE', IDS, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, slice)
local total = { messages = 0, bytes = 0, open = 0, h = 0, x = 0, ruled = 0, u = 0, n = 0, b = 0 }
local oldest
local sums, order = {}, {}

local function age_class(received)
  local class = 0
  for _, edge in ipairs(edges) do
    if received < edge then class = class + 1 end
  end
  return class
end

local function add(name, class, received)
  local key = name .. '\n' .. class
  local sum = sums[key]
  if not sum then
    sum = { name = name, class = class, count = 0, oldest = received }
    sums[key] = sum
    order[#order + 1] = sum
  end
  sum.count = sum.count + 1
  if received < sum.oldest then sum.oldest = received end
end

local function count_delivery(raw, class, received, mail_class)
  local state, open, lane = string.match(raw, '^%d+ (%a) %-?%d+ %d+ (%d+) ([^\n]*)\n')
  total.open = total.open + tonumber(open)
  if state == 'q' then
    total[mail_class] = total[mail_class] + 1
    if by == 'totals' then add('lane ' .. lane, class, received) end
    if by == 'lane' then add(lane, class, received) end
    if by == 'domain' then
      if string.sub(lane, 1, 3) == 'mx:' then
        add(lane, class, received)
      elseif lane ~= 'notice' then
        for domain in string.gmatch(string.match(raw, '^[^\n]*\n([^\n]*)\n'), '%S+') do add(domain, class, received) end
      end
    end
  elseif state ~= 's' then
    total[state] = total[state] + 1
    if state == 'h' and string.match(raw, '^[^\n]*\n[^\n]*\n[^\n]*\n%[') then total.ruled = total.ruled + 1 end
  end
end

for _, id in ipairs(ids) do
  local key = message(id)
  local f = facts(id)
  local class = age_class(f.received)
  total.messages = total.messages + 1
  total.bytes = total.bytes + tonumber(f.size)
  oldest = math.min(oldest or f.received, f.received)
  if by ~= 'sender' and by ~= 'tag' then
    local mail_class = redis.call('HGET', key, 'p') or 'n'
    for k = 0, f.count - 1 do count_delivery(redis.call('HGET', key, 'd' .. k), class, f.received, mail_class) end
  end
  if by == 'sender' then
    add(string.match(redis.call('HGET', key, 'e'), '"reversePath":{.-"domain":(%b{})') or '', class, f.received)
  end
  if by == 'tag' or by == 'totals' then
    local tag = string.match(redis.call('HGET', key, 'e'), '"tag":"([^"]*)"')
    if tag then add(by == 'tag' and tag or 'tag ' .. tag, class, f.received) end
  end
end

local function text(n) return string.format('%.0f', n) end
local found = {}
for n, sum in ipairs(order) do found[n] = { sum.name, text(sum.class), text(sum.count), text(sum.oldest) } end
local t = total
return {
  ids[#ids] or '',
  #ids < slice and '1' or '0',
  { text(t.messages), text(t.bytes), oldest and text(oldest) or '', text(t.open), text(t.h), text(t.ruled), text(t.x), text(t.u), text(t.n), text(t.b) },
  found,
}
