#!lua
-- Messages that were taken in before ages were watched: a slice of the walk over all. Answers where it ended, and
-- whether that is the end, which is remembered.
local KNOWN = P .. 'ages-watched'
local after, slice = arg(), tonumber(arg())
if redis.call('EXISTS', KNOWN) == 1 then return { after, '1' } end
local ids = redis.call('ZRANGE', IDS, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, slice)
for _, id in ipairs(ids) do
  local meta = redis.call('HGET', message(id), 'e')
  if meta then redis.call('ZADD', EXPIRY, 'NX', expires(meta), id) end
end
if #ids < slice then redis.call('SET', KNOWN, 1) end
return { ids[#ids] or after, #ids < slice and '1' or '0' }
