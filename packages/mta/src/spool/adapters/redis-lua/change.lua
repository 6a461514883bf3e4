#!lua flags=allow-oom
-- An operator's order to one message: all of its deliveries that the caller names, each from the revision it saw.
local id, breakLeases, removeSettled, count = arg(), arg(), arg(), tonumber(arg())
local now = clock()
local key = message(id)
local orders = {}
for n = 1, count do orders[n] = { k = arg(), rev = arg(), next = deliveryArg() } end
for _, order in ipairs(orders) do
  local raw = redis.call('HGET', key, 'd' .. order.k)
  if not raw then return { used(), 'stale' } end
  order.was = parse(raw)
  local parked = redis.call('HGET', key, 't' .. order.k) == PARKED
  local leased = isLeased(id .. '/' .. order.k, now) and not parked and breakLeases ~= '1'
  if order.was.rev ~= order.rev or leased then return { used(), 'stale' } end
end
for _, order in ipairs(orders) do
  leave(id .. '/' .. order.k, order.was.lane)
  redis.call('HDEL', key, 't' .. order.k)
  put(id, order.k, string.format('%.0f', tonumber(order.rev) + 1), order.next)
end
local f = facts(id)
if removeSettled == '1' and not unsettledBesides(id, f.count, '') then
  local gone = remove(id)
  return { used(), 'done', gone }
end
return { used(), 'done' }
