#!lua flags=allow-oom
-- ARGV: cursor, 0 to begin. Makes the indexes again from the entries, some at a time; answers the next cursor, 0 when
-- done, and how many entries it read.
if ARGV[1] == '0' then
  redis.call('UNLINK', NAMES, REFRESH)
  for _, mode in ipairs(MODES) do redis.call('UNLINK', fetchedKey(mode), expiryKey(mode)) end
end
local function isMode(word) return word == MODES[1] or word == MODES[2] or word == MODES[3] end
local prefix = entryKey('')
local page = redis.call('SCAN', ARGV[1], 'MATCH', prefix .. '*', 'COUNT', 500)
local read = 0
for _, key in ipairs(page[2]) do
  local domain = string.sub(key, #prefix + 1)
  if typeOf(key) == 'hash' then
    local mode, refresh, fetched, expires = unpack(redis.call('HMGET', key, 'mode', 'refresh', 'fetched', 'expires'))
    if isMode(mode) and tonumber(refresh or '') and tonumber(fetched or '') and tonumber(expires or '') then
      unindex(domain)
      index(domain, mode, { refresh = refresh, fetched = fetched, expires = expires })
      read = read + 1
    end
  end
end
return { page[1], read }
