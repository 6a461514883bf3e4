#!lua flags=allow-oom
-- One transaction: what the caller computed from revision `rev` of a delivery, and the messages that it causes.
-- When the delivery is another by now, or its holder, nothing is done and the caller is told what there is.
local id, k, holder, settlement, keep_claim = arg(), arg(), arg(), arg(), arg()
local replay, expected, rev = arg(), arg(), arg()
local now = clock()
local key = message(id)
local SETTLEMENTS_MAX = 32

local raw = redis.call('HGET', key, 'd' .. k)
-- A delivery that is gone was settled: nothing else removes one.
if not raw then return { used(), 'already-done' } end
local seen = redis.call('HGET', key, 's' .. k)
if seen and string.find(seen, '\n' .. settlement .. '\n', 1, true) then return { used(), 'already-done' } end

local current = parse(raw)
local last = redis.call('HGET', key, 't' .. k)
local holds
if last then holds = last == holder else holds = replay == '1' and current.state == 'q' end
local settler = holds and 'holder' or 'late'
if settler ~= expected or current.rev ~= rev then return { used(), 'stale', settler, raw } end

local nexts = {}
for n = 1, tonumber(arg()) do nexts[n] = deliveryArg() end
for _ = 1, tonumber(arg()) do insert(now) end

local f = facts(id)
if nexts[1].state == 's' and #nexts == 1 and not unsettledBesides(id, f.count, k) then
  local gone = remove(id)
  return { used(), 'done', gone }
end
local member = id .. '/' .. k
if (holds and keep_claim ~= '1') or nexts[1].state == 's' then
  leave(member, current.lane)
  redis.call('HDEL', key, 't' .. k)
  put(id, k, string.format('%.0f', tonumber(rev) + 1), nexts[1])
else
  -- Whoever holds it now goes on: only what is certain is written.
  local d = nexts[1]
  local head = string.format('%.0f', tonumber(rev) + 1) .. ' ' .. current.state .. ' ' .. string.format('%.0f', current.due)
  redis.call('HSET', key, 'd' .. k, head .. ' ' .. d.attempts .. ' ' .. d.open .. ' ' .. current.lane .. '\n' .. d.tail)
end
for n = 2, #nexts do put(id, f.count + n - 2, '1', nexts[n]) end
if #nexts > 1 then
  local count = f.count + #nexts - 1
  local received = string.format('%.0f', f.received)
  redis.call('HSET', key, 'i', count .. ' ' .. f.cost .. ' ' .. f.file .. ' ' .. f.size .. ' ' .. received)
end
-- A repetition follows its original closely; the ids of older attempts cannot come any more.
seen = (seen or '\n') .. settlement .. '\n'
local _, lines = string.gsub(seen, '\n', '')
if lines > SETTLEMENTS_MAX + 1 then seen = string.gsub(seen, '^\n[^\n]*', '', 1) end
redis.call('HSET', key, 's' .. k, seen)
return { used(), 'done' }
