#!lua flags=allow-oom
-- ARGV: now, limit, rank to go on from. Answers the epoch, the next rank (-1: done), and the domains. Expired entries
-- are stepped over; there are few, for they are trimmed.
local PAGE = 1000
local now, limit, from = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local entries, fetched, expiring = redis.call('ZCARD', NAMES), 0, 0
for _, mode in ipairs(MODES) do
  fetched = fetched + redis.call('ZCARD', fetchedKey(mode))
  expiring = expiring + redis.call('ZCARD', expiryKey(mode))
end
if entries ~= redis.call('ZCARD', REFRESH) or entries ~= fetched or entries ~= expiring then
  return redis.error_reply('INDEX the indexes disagree')
end
local domains = {}
local page = redis.call('ZRANGE', REFRESH, from, from + PAGE - 1, 'WITHSCORES')
for at = 1, #page, 2 do
  if #domains >= limit or tonumber(page[at + 1]) > now then return { redis.call('GET', EPOCH), -1, domains } end
  local expires = expiryOf(page[at])
  if expires and expires >= now then domains[#domains + 1] = page[at] end
end
return { redis.call('GET', EPOCH), #page < 2 * PAGE and -1 or from + PAGE, domains }
