-- A permit of a site, or a place in its line.
-- ARGV  6 permit, made by the caller  7 waiter, or empty  8 waiters at most
-- Answers {1, round} or {0, look again after ms}.
local permit, waiter, waiters_max = ARGV[6], ARGV[7], tonumber(ARGV[8])
note_site()

if redis.call('ZSCORE', held, permit) or redis.call('ZCARD', held) < allowed() then
  redis.call('ZADD', held, whole(now + lease_ms), permit)
  -- A permit that is taken answers one call: the taker's own, or the oldest.
  local own = waiter ~= '' and redis.call('ZREM', called, waiter) or 0
  if own == 0 then redis.call('ZPOPMIN', called) end
  if waiter ~= '' then redis.call('ZREM', waiting, waiter) end
  remember()
  return { 1, round_now() }
end

if waiter ~= '' then
  redis.call('ZREM', called, waiter)
  if redis.call('ZCARD', waiting) < waiters_max then
    redis.call('ZADD', waiting, 'NX', redis.call('HINCRBY', state, 'places', 1), waiter)
    remember()
  end
end
return { 0, look_again_ms() }
