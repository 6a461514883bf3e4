#!lua
-- ARGV: domain, document, id, fetchedAt, refreshAt, mode, expiresAt. Indexes first: when one of them is of a wrong
-- type, the entry stays as it was.
local domain, document, id, fetched, refresh, mode, expires = unpack(ARGV)
unindex(domain)
index(domain, mode, { refresh = refresh, fetched = fetched, expires = expires })
redis.call('UNLINK', entryKey(domain))
redis.call('HSET', entryKey(domain), 'document', document, 'id', id, 'fetched', fetched, 'refresh', refresh,
  'failures', 0, 'mode', mode, 'expires', expires)
return 1
