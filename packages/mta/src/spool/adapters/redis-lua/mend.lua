#!lua flags=allow-oom
-- Compares what is derived from the messages with them, and mends it when told to.
-- what: `messages` with ids: whether each stands where it belongs; `members` of a set: whether they stand for a message;
-- `bytes`: whether the sum is right. Answers where to go on ('0': nowhere), what was looked at, and the findings.
local MEMBERS_PER_CALL, BYTES_MESSAGES_MAX = 500, 500000
-- Longer than a lease, in which whoever may have a delivery says so by renewing or settling it.
local DOUBT_MS = 75000
local what, wanted = arg(), arg() == '1'
local now = clock()
local looked, cursor = 0, '0'

-- Of a key that is no set, told with its members: none.
local function score(key, member)
  local at = redis.pcall('ZSCORE', key, member)
  return type(at) == 'string' and at or nil
end

local function removes(key, member)
  return function() redis.call('ZREM', key, member) end
end

local function look_at_queued(id, k, member, d)
  local free, leased = score(laneKey(d.lane), member), score(LEASES, member)
  if free and leased then
    wrong('delivery-twice', member, wanted, removes(laneKey(d.lane), member))
  elseif free and tonumber(free) ~= d.due + shiftOf(member) then
    wrong('delivery-at-wrong-time', member, wanted, function() enter(d.lane, member, d.due) end)
  elseif not free and not leased then
    -- Its last holder may be at work, or may have been overtaken by what went wrong.
    local may_be_out = redis.call('HEXISTS', message(id), 't' .. k) == 1
    wrong(may_be_out and 'delivery-in-doubt' or 'delivery-missing', member, wanted, function()
      if may_be_out then redis.call('ZADD', LEASES, now + DOUBT_MS, member) else enter(d.lane, member, d.due) end
    end)
  end
end

local function look_at_delivery(id, k, raw)
  local d, member = parse(raw), id .. '/' .. k
  local stopped = score(STOPPED, member)
  if d.state == 'q' then look_at_queued(id, k, member, d) end
  if (d.state == 'h' or d.state == 'x') and not stopped then
    wrong('stopped-missing', member, wanted, function() redis.call('ZADD', STOPPED, 0, member) end)
  end
end

-- By which its deliveries stand in their lanes: the priority in the envelope says what is right.
local function look_at_class(id, key, count)
  local class = classOf(redis.call('HGET', key, 'e') or '')
  if class == (redis.call('HGET', key, 'p') or nil) then return end
  wrong('class-wrong', id, wanted, function()
    if class then redis.call('HSET', key, 'p', class) else redis.call('HDEL', key, 'p') end
    for k = 0, count - 1 do
      local raw, member = redis.call('HGET', key, 'd' .. k), id .. '/' .. k
      local d = raw and parse(raw)
      if d and d.state == 'q' and score(laneKey(d.lane), member) then enter(d.lane, member, d.due) end
    end
  end)
end

local function look_at_message(id)
  local key = message(id)
  if redis.call('TYPE', key)['ok'] ~= 'hash' then return end
  local f = facts(id)
  if not f or not f.count then return wrong('message-damaged', id, false) end
  looked = looked + 1
  if not score(IDS, id) then
    wrong('message-not-listed', id, wanted, function() redis.call('ZADD', IDS, 0, id) end)
  end
  if not score(EXPIRY, id) then
    wrong('age-not-watched', id, wanted, function() redis.call('ZADD', EXPIRY, expires(redis.call('HGET', key, 'e')), id) end)
  end
  look_at_class(id, key, f.count)
  for k = 0, f.count - 1 do
    local raw = redis.call('HGET', key, 'd' .. k)
    if raw and parse(raw).state then look_at_delivery(id, k, raw) else wrong('message-damaged', id, false) end
  end
end

local function belongs(set, member, lane)
  if set == 'ids' or set == 'expiry' then return redis.call('EXISTS', message(member)) == 1 end
  local id, k = split(member)
  local raw = redis.call('HGET', message(id), 'd' .. k)
  local d = raw and parse(raw)
  if not d or not d.state then return false end
  if set == 'stopped' then return d.state == 'h' or d.state == 'x' end
  if set == 'lane' then return d.state == 'q' and d.lane == lane end
  return true
end

local STRAY = { ids = 'message-not-there', expiry = 'message-not-there', stopped = 'stopped-stray', leases = 'lease-stray', lane = 'delivery-stray' }

local function look_at_members(set, from, lane)
  local key = set == 'lane' and laneKey(lane) or P .. set
  if set == 'due' then key = DUE end
  if not is_sound(key, 'zset', wanted) or set == 'due' or set == 'aside' then return end
  local slice = redis.call('ZSCAN', key, from, 'COUNT', MEMBERS_PER_CALL)
  cursor = slice[1]
  for n = 1, #slice[2], 2 do
    looked = looked + 1
    local member = slice[2][n]
    if not belongs(set, member, lane) then wrong(STRAY[set], member, wanted, removes(key, member)) end
  end
end

local function look_at_bytes()
  if redis.call('ZCARD', IDS) > BYTES_MESSAGES_MAX then return end
  is_sound(BYTES, 'string', wanted)
  local sum = 0
  for _, id in ipairs(redis.call('ZRANGE', IDS, 0, -1)) do
    local f = facts(id)
    if f and f.cost then sum = sum + tonumber(f.cost) end
  end
  local says = tonumber(redis.call('GET', BYTES) or '0')
  if says == sum then return end
  local text = string.format('%.0f', sum)
  wrong('size-wrong', (says and string.format('%.0f', says) or '?') .. ' instead of ' .. text, wanted, function()
    redis.call('SET', BYTES, text)
  end)
end

if what == 'messages' then
  for _ = 1, tonumber(arg()) do look_at_message(arg()) end
elseif what == 'members' then
  look_at_members(arg(), arg(), arg())
else
  look_at_bytes()
end
return { cursor, looked, found_in_order }
