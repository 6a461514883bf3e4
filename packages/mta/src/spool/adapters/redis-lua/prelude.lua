-- What every script of the spool begins with. KEYS[1] is `ids`; all other keys share its hash tag and so its slot.
-- ARGV[1] is the time in milliseconds, empty for the server's own clock.
--
--   ids        zset, score 0: every message, in the order of arrival
--   m:<id>     hash: i = "deliveries cost file size receivedAt", e = envelope and more (JSON), c = content;
--              per delivery k: d<k> = "rev state due attempts open lane LF domains LF JSON", t<k> = who was given it
--              last, s<k> = ids of its settlements; p = 'u' urgent or 'b' bulk, nothing for other mail
--   left       hash, lane -> claims in a row that left mail of some class waiting
--   leases     zset, score end of the lease: deliveries that are given out
--   expiry     zset: message -> when its age is next looked at: when it is over, or later when nothing can be done yet
--   hold-rules hash: id -> rule
--   stopped    zset, score 0: deliveries that are held or quarantined
--   void:<id>  refused ids; aside: messages that are claimed by name only; bytes: what all messages take
--   entered    hash, queue file -> messages of it that were taken in; entered-at: zset, file -> when
--   alive      when a node last looked after the queue; grace: set for a while after nobody could
-- and shared with the scheduler (`redis/keys.ts`), before `spool:`
--   lane:<l>   zset, score due, moved by class (`class-scores.lua`): deliveries of the lane that are queued and free, as <id>/<k>
--   due        zset: lane, lowered to the time of whatever becomes free in it
local P = string.sub(KEYS[1], 1, -4)
local Q = string.sub(P, 1, -7)
local IDS, DUE, LEASES, STOPPED = P .. 'ids', Q .. 'due', P .. 'leases', P .. 'stopped'
local EXPIRY, HOLD_RULES = P .. 'expiry', P .. 'hold-rules'
local ASIDE, BYTES = P .. 'aside', P .. 'bytes'
local ENTERED, ENTERED_AT = P .. 'entered', P .. 'entered-at'
-- Leases looked at per call, so that no call is long; what is left lapses with the next.
local LAPSED_MAX = 128
local PARKED = 'aside'
-- Every node calls `lapse.lua` once a second: when nobody has for so long, nobody could, nor renew or settle.
local OUTAGE_MS, GRACE_MS = 5000, 10000
local ALIVE, GRACE = P .. 'alive', P .. 'grace'

local read = 1
local function arg()
  read = read + 1
  return ARGV[read]
end

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function message(id) return P .. 'm:' .. id end
local function laneKey(lane) return Q .. 'lane:' .. lane end
local function split(member) return string.sub(member, 1, 36), string.sub(member, 38) end

local function parse(raw)
  local rev, state, due, attempts, open, lane = string.match(raw, '^(%d+) (%a) (%-?%d+) (%d+) (%d+) ([^\n]*)\n')
  return { rev = rev, state = state, due = tonumber(due), attempts = attempts, open = tonumber(open), lane = lane }
end

local function facts(id)
  local line = redis.call('HGET', message(id), 'i')
  if not line then return nil end
  local count, cost, file, size, received = string.match(line, '^(%d+) (%d+) (%d) (%d+) (%-?%d+)$')
  return { count = tonumber(count), cost = cost, file = file, size = size, received = tonumber(received) }
end

local function shiftOf(member)
  return CLASS_SHIFTS[redis.call('HGET', message((split(member))), 'p') or 'n'] or 0
end

local function enter(lane, member, due)
  redis.call('ZADD', laneKey(lane), string.format('%.0f', due + shiftOf(member)), member)
  redis.call('ZADD', DUE, 'LT', due, lane)
end

local function leave(member, lane)
  redis.call('ZREM', laneKey(lane), member)
  redis.call('ZREM', LEASES, member)
  redis.call('ZREM', STOPPED, member)
end

-- Reads the parts of one delivery that the caller wrote: state, due, attempts, open, lane, tail.
local function deliveryArg()
  return { state = arg(), due = arg(), attempts = arg(), open = arg(), lane = arg(), tail = arg() }
end

-- Writes a delivery and puts it where its state belongs.
local function put(id, k, rev, d)
  local head = rev .. ' ' .. d.state .. ' ' .. d.due .. ' ' .. d.attempts .. ' ' .. d.open .. ' ' .. d.lane
  redis.call('HSET', message(id), 'd' .. k, head .. '\n' .. d.tail)
  local member = id .. '/' .. k
  if d.state == 'q' then
    enter(d.lane, member, tonumber(d.due))
  elseif d.state ~= 's' then
    redis.call('ZADD', STOPPED, 0, member)
  end
end

-- RFC 6710: the bounds of `mail-class.ts`.
local function classOf(meta)
  local priority = tonumber(string.match(meta, '"priority":(%-?%d)') or 0)
  if priority >= 4 then return 'u' end
  return priority <= -4 and 'b' or nil
end

-- What an envelope's record begins with.
local function expires(meta) return string.match(meta, '^%-?%d+') end

-- Reads one new message and stores it, unless it is there or was refused. What another spool kept keeps its times, and
-- was accepted there, whatever was refused here.
local function insert(now, isKept)
  local id, meta, inline, content = arg(), arg(), arg(), arg()
  local cost, file, size, received, count = arg(), arg(), arg(), arg(), tonumber(arg())
  local deliveries = {}
  for k = 1, count do deliveries[k] = deliveryArg() end
  if not isKept and redis.call('EXISTS', P .. 'void:' .. id) == 1 then return 'void' end
  local key = message(id)
  if redis.call('EXISTS', key) == 1 then return 'already-done' end
  redis.call('HSET', key, 'i', count .. ' ' .. cost .. ' ' .. file .. ' ' .. size .. ' ' .. received, 'e', meta)
  if inline == '1' then redis.call('HSET', key, 'c', content) end
  local class = classOf(meta)
  if class then redis.call('HSET', key, 'p', class) end
  redis.call('ZADD', IDS, 0, id)
  redis.call('ZADD', EXPIRY, expires(meta), id)
  redis.call('INCRBY', BYTES, cost)
  for k = 1, count do
    local d = deliveries[k]
    -- A message stamped ahead of this clock is due now, not later.
    if not isKept then d.due = string.format('%.0f', math.min(tonumber(d.due), now)) end
    put(id, k - 1, '1', d)
  end
  return 'accepted'
end

-- Removes a message with everything that belongs to it, except a content file; answers what the caller must know.
local function remove(id)
  local f = facts(id)
  if not f then return nil end
  local key = message(id)
  for k = 0, f.count - 1 do
    local raw = redis.call('HGET', key, 'd' .. k)
    if raw then leave(id .. '/' .. k, parse(raw).lane) end
  end
  redis.call('UNLINK', key)
  redis.call('ZREM', IDS, id)
  redis.call('ZREM', EXPIRY, id)
  redis.call('DECRBY', BYTES, f.cost)
  return id .. ' ' .. f.file .. ' ' .. f.size
end

local function unsettledBesides(id, count, besides)
  for k = 0, count - 1 do
    if tostring(k) ~= besides then
      local raw = redis.call('HGET', message(id), 'd' .. k)
      if raw and parse(raw).state ~= 's' then return true end
    end
  end
  return false
end

-- After an outage leases go on for a while, so that the outcomes in the journals of their holders come first.
local function isOutage(now)
  local last = redis.call('GET', ALIVE)
  return last and now - tonumber(last) > OUTAGE_MS
end

-- Leases whose time has ended: free again, while their last holder still counts until somebody takes over.
local function lapse(now)
  if ARGV[1] == '' and (isOutage(now) or redis.call('EXISTS', GRACE) == 1) then return end
  for _, member in ipairs(redis.call('ZRANGE', LEASES, '-inf', now, 'BYSCORE', 'LIMIT', 0, LAPSED_MAX)) do
    local id, k = split(member)
    local raw = redis.call('HGET', message(id), 'd' .. k)
    redis.call('ZREM', LEASES, member)
    if raw then
      local d = parse(raw)
      if d.state == 'q' then enter(d.lane, member, d.due) end
    end
  end
end

local function isLeased(member, now)
  local ends = redis.call('ZSCORE', LEASES, member)
  return ends and tonumber(ends) > now
end

local function isSetAside(id, now)
  local ends = redis.call('ZSCORE', ASIDE, id)
  return ends and tonumber(ends) > now
end

local function grant(id, k, ends, holder)
  local key = message(id)
  local raw = redis.call('HGET', key, 'd' .. k)
  if not raw then return nil end
  local member = id .. '/' .. k
  redis.call('ZREM', laneKey(parse(raw).lane), member)
  redis.call('ZADD', LEASES, ends, member)
  redis.call('HSET', key, 't' .. k, holder)
  return { id, tostring(k), redis.call('HGET', key, 'i'), redis.call('HGET', key, 'e'), raw }
end

local function free(id, k, holder)
  local key = message(id)
  if redis.call('HGET', key, 't' .. k) ~= holder then return end
  local member = id .. '/' .. k
  redis.call('HDEL', key, 't' .. k)
  redis.call('ZREM', LEASES, member)
  local d = parse(redis.call('HGET', key, 'd' .. k))
  if d.state == 'q' then enter(d.lane, member, d.due) end
end

-- One message as operators see it: id, its facts, its envelope, then each delivery with whether it is given out.
local function entry(id, now)
  local key = message(id)
  local f = facts(id)
  local shown = { id, redis.call('HGET', key, 'i'), redis.call('HGET', key, 'e') }
  for k = 0, f.count - 1 do
    local out = isLeased(id .. '/' .. k, now) and redis.call('HGET', key, 't' .. k) ~= PARKED
    shown[#shown + 1] = redis.call('HGET', key, 'd' .. k)
    shown[#shown + 1] = out and '1' or '0'
  end
  return shown
end

local function used() return redis.call('GET', BYTES) or '0' end
