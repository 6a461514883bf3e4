#!lua flags=allow-oom
-- ARGV: the name after which to begin (empty: the first), limit, now. Answers names, each with its entry.
local after = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local found = {}
for _, domain in ipairs(redis.call('ZRANGEBYLEX', NAMES, after, '+', 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = { domain, entryOf(domain, ARGV[3]) or 'ended' }
end
return found
