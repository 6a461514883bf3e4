#!lua flags=no-writes
-- Of these messages those that match and are still there.
local limit, lane, state, domain, sender = tonumber(arg()), arg(), arg(), arg(), arg()
local tag, count = arg(), tonumber(arg())
local now = clock()
local answer = {}
for _ = 1, count do
  local id = arg()
  if #answer < limit and redis.call('EXISTS', message(id)) == 1 and matches(id, lane, state, domain, sender, tag) then
    answer[#answer + 1] = entry(id, now)
  end
end
return answer
