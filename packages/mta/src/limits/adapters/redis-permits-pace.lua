-- The rate of a site: `rate.ts` inside Redis.
-- ARGV  6 interval (us)  7 burst  8 transactions  9 patience (ms)
-- Answers {1, ms to wait} when reserved, or {0, ms after which to ask again}.
local interval, burst = tonumber(ARGV[6]), tonumber(ARGV[7])
local transactions, patience_ms = tonumber(ARGV[8]), tonumber(ARGV[9])

local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local arrival = tonumber(redis.call('HGET', state, 'arrival') or 0)
local following = math.max(arrival, now_us) + transactions * interval
local wait_ms = math.ceil(math.max(0, following - burst * interval - now_us) / 1000)
if wait_ms > patience_ms then return { 0, wait_ms - patience_ms } end
redis.call('HSET', state, 'arrival', whole(following))
remember()
return { 1, wait_ms }
