#!lua flags=allow-oom
-- ARGV: batch, then day and domain of each. Answers `repeated`, or of each `closed`, the sum with its version, or false.
if redis.call('ZSCORE', BATCHES, ARGV[1]) then return 'repeated' end
local found = {}
for at = 2, #ARGV, 2 do
  local closed = redis.call('HEXISTS', CLOSED, ARGV[at]) == 1
  found[#found + 1] = closed and 'closed' or redis.call('HGET', sumsKey(ARGV[at]), ARGV[at + 1])
end
return found
