#!lua flags=allow-oom
-- ARGV: day, the domain after which to begin (empty: the first), limit. Answers of each: domain, due time or false,
-- fields, and 1 when it was set aside. Something else in the place of a report has no fields.
local day = ARGV[1]
local after = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local isClosed = redis.call('HGET', CLOSED, day) == 'closed'
local page = {}
for _, domain in ipairs(redis.call('ZRANGEBYLEX', namesKey(day), after, '+', 'LIMIT', 0, ARGV[3])) do
  local names = { 'token', 'id', 'targets', 'first', 'done' }
  local key = reportKey(day, domain)
  local fields = { false, false, false, false, false }
  if redis.call('TYPE', key).ok == 'hash' then fields = redis.call('HMGET', key, unpack(names)) end
  local dueAt = redis.call('ZSCORE', dueKey(day), domain)
  local isAside = isClosed and not dueAt and fields[5] ~= '1'
  page[#page + 1] = { domain, dueAt, fields[1], fields[2], fields[3], fields[4], fields[5], isAside and 1 or 0 }
end
return page
