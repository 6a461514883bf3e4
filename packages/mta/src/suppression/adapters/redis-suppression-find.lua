-- ARGV  3... addresses
-- Answers the entries of those that are suppressed.
local found = {}
for at = 3, #ARGV do
  if is_suppressed(ARGV[at]) then table.insert(found, redis.call('HGET', entries, ARGV[at])) end
end
return found
