-- ARGV  3 after this address, or empty  4 entries of a page
-- Answers entries, in the order of addresses.
local after, limit = ARGV[3], tonumber(ARGV[4])
local page = {}
local from = after == '' and '-' or '(' .. after
while #page < limit do
  local some = redis.call('ZRANGEBYLEX', names, from, '+', 'LIMIT', 0, limit)
  for _, address in ipairs(some) do
    if #page < limit and is_suppressed(address) then table.insert(page, redis.call('HGET', entries, address)) end
  end
  if #some < limit then break end
  from = '(' .. some[#some]
end
return page
