#!lua flags=allow-oom
-- ARGV: day, the domain after which to begin (empty: the first), limit. Answers of each: domain, due time or false, fields.
local day = ARGV[1]
local after = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local page = {}
for _, domain in ipairs(redis.call('ZRANGEBYLEX', namesKey(day), after, '+', 'LIMIT', 0, ARGV[3])) do
  local names = { 'token', 'id', 'targets', 'first', 'done' }
  local fields = redis.call('HMGET', reportKey(day, domain), unpack(names))
  page[#page + 1] = { domain, redis.call('ZSCORE', dueKey(day), domain), unpack(fields) }
end
return page
