#!lua flags=allow-oom
-- ARGV: now, staleBefore. Answers for each mode: its name, unexpired policies, those fetched before `staleBefore`, the
-- oldest fetch and the next end. Expired entries are stepped over; there are few, for they are trimmed.
local PAGE = 100
local now, staleBefore = ARGV[1], ARGV[2]

local function isLive(mode, domain)
  local expires = redis.call('ZSCORE', expiryKey(mode), domain)
  return expires and tonumber(expires) >= tonumber(now)
end

local function staleOf(mode)
  local stale = redis.call('ZCOUNT', fetchedKey(mode), '-inf', '(' .. staleBefore)
  for _, domain in ipairs(redis.call('ZRANGEBYSCORE', expiryKey(mode), '-inf', '(' .. now)) do
    local fetched = redis.call('ZSCORE', fetchedKey(mode), domain)
    if fetched and tonumber(fetched) < tonumber(staleBefore) then stale = stale - 1 end
  end
  return stale
end

local function oldestOf(mode)
  local from = 0
  while true do
    local page = redis.call('ZRANGE', fetchedKey(mode), from, from + PAGE - 1, 'WITHSCORES')
    for at = 1, #page, 2 do
      if isLive(mode, page[at]) then return page[at + 1] end
    end
    if #page < 2 * PAGE then return now end
    from = from + PAGE
  end
end

local counts = {}
for _, mode in ipairs(MODES) do
  local policies = redis.call('ZCOUNT', expiryKey(mode), now, '+inf')
  if policies > 0 then
    local soonest = redis.call('ZRANGEBYSCORE', expiryKey(mode), now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    counts[#counts + 1] = { mode, policies, staleOf(mode), oldestOf(mode), soonest }
  end
end
return counts
