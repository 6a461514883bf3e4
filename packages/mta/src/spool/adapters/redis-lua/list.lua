#!lua flags=no-writes
-- A slice of the walk over messages in the order of their ids: where it ended, then those that match; `before`: those
-- that arrived earlier. Ids are in the order of arrival but for what took long to arrive: an hour at most.
local LATE_MS = 3600000
local after, slice, limit, before = arg(), tonumber(arg()), tonumber(arg()), tonumber(arg())
local lane, state, domain, sender, tag = arg(), arg(), arg(), arg(), arg()
local now = clock()
local stoppedOnly = state == 'h' or state == 'x'
local from = after == '' and '-' or '(' .. after
-- Members of `stopped` are <id>/<k>: past all of a message's begins with the character after the slash.
if stoppedOnly and after ~= '' then from = '[' .. after .. '0' end
local walked = redis.call('ZRANGE', stoppedOnly and STOPPED or IDS, from, '+', 'BYLEX', 'LIMIT', 0, slice)
local answer, last = {}, after
local ended = #walked < slice and '1' or '0'
for n, member in ipairs(walked) do
  local id = string.sub(member, 1, 36)
  if id ~= last then
    last = id
    local received = before and facts(id).received
    if before and received >= before + LATE_MS then
      ended = '1'
      break
    end
    local in_time = not before or received < before
    if in_time and matches(id, lane, state, domain, sender, tag) then answer[#answer + 1] = entry(id, now) end
    if #answer == limit and n < #walked then
      ended = '0'
      break
    end
  end
end
return { last, ended, answer }
