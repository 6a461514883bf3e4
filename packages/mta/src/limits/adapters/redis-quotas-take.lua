#!lua flags=allow-oom
-- Takes from several quotas at once, or from none: `rate.ts` inside Redis, by its own clock.
-- KEYS  one for each quota: its arrival time (us)
-- ARGV  interval (us), burst and amount of each, in the order of the keys
-- Answers one wait (ms) for each; all are 0 when it was taken.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])

local waits, following, free = {}, {}, true
for at, key in ipairs(KEYS) do
  local interval, burst, amount = tonumber(ARGV[at * 3 - 2]), tonumber(ARGV[at * 3 - 1]), tonumber(ARGV[at * 3])
  local arrival = tonumber(redis.call('GET', key) or 0)
  following[at] = math.max(arrival, now_us) + amount * interval
  waits[at] = math.ceil(math.max(0, following[at] - burst * interval - now_us) / 1000)
  if waits[at] > 0 then free = false end
end
if not free then return waits end

for at, key in ipairs(KEYS) do
  local rested_ms = math.max(1, math.ceil((following[at] - now_us) / 1000))
  redis.call('SET', key, string.format('%.0f', following[at]), 'PX', string.format('%.0f', rested_ms))
end
return waits
