-- In the sorted set of a lane's free deliveries the classes of mail stand apart: a score is when the delivery is due, moved
-- far before all times for urgent mail and far behind them for bulk. Both are whole numbers that a double holds exactly.
local CLASS_SHIFTS = { u = -4e15, n = 0, b = 4e15 }
local HALF_SHIFT = 2e15
local CLASS_ORDER = { 'u', 'n', 'b' }

-- Deliveries of a class that are due by then, earliest first.
local function due_of_class(key, class, before, most)
  local shift = CLASS_SHIFTS[class]
  return redis.call('ZRANGE', key, shift - HALF_SHIFT, before + shift, 'BYSCORE', 'LIMIT', 0, most)
end

-- When the first delivery of any class is due, or nil.
local function earliest_in(key)
  local earliest = nil
  for _, class in ipairs(CLASS_ORDER) do
    local shift = CLASS_SHIFTS[class]
    local first = redis.call('ZRANGE', key, shift - HALF_SHIFT, shift + HALF_SHIFT, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    local at = first and tonumber(first) - shift
    if at and (not earliest or at < earliest) then earliest = at end
  end
  return earliest
end
