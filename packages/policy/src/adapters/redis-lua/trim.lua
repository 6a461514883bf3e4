#!lua flags=allow-oom
-- ARGV: now by the caller's clock, how many expired entries of each mode may stay, how many of mode `none`. What ended
-- only by one of the two clocks stays. Answers 1 when there is more to do.
local AT_ONCE = 500
local function drop(domains)
  for _, domain in ipairs(domains) do
    unindex(domain)
    redis.call('UNLINK', entryKey(domain))
  end
  return #domains == AT_ONCE
end
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local before = string.format('(%.0f', math.min(tonumber(ARGV[1]), clock))
local more = false
for _, mode in ipairs(MODES) do
  local over = redis.call('ZCOUNT', expiryKey(mode), '-inf', before) - tonumber(ARGV[2])
  if over > 0 then
    local limit = math.min(over, AT_ONCE)
    more = drop(redis.call('ZRANGEBYSCORE', expiryKey(mode), '-inf', before, 'LIMIT', 0, limit)) or more
  end
end
local over = redis.call('ZCARD', fetchedKey('none')) - tonumber(ARGV[3])
if over > 0 then more = drop(redis.call('ZRANGE', fetchedKey('none'), 0, math.min(over, AT_ONCE) - 1)) or more end
return more and 1 or 0
