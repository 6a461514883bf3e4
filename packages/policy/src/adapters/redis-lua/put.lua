#!lua
-- ARGV: how many entries there may be, domain, document, id, fetchedAt, refreshAt, mode, expiresAt. Indexes first: when
-- one of them is of a wrong type, the entry stays as it was.
local max, domain, document, id, fetched, refresh, mode, expires = unpack(ARGV)
if redis.call('ZCARD', NAMES) >= tonumber(max) and not redis.call('ZSCORE', NAMES, domain) then
  return redis.error_reply('FULL there are as many policies as there may be')
end
unindex(domain)
index(domain, mode, { refresh = refresh, fetched = fetched, expires = expires })
redis.call('UNLINK', entryKey(domain))
redis.call('HSET', entryKey(domain), 'document', document, 'id', id, 'fetched', fetched, 'refresh', refresh,
  'failures', 0, 'mode', mode, 'expires', expires)
return 1
