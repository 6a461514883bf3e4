#!lua flags=allow-oom
-- Gives back what was claimed under names whose answers were lost, slice by slice of all that is given out.
-- Answers where to go on ('0': nowhere), and how many deliveries are free again.
local MEMBERS_PER_CALL = 500
local cursor, count = arg(), tonumber(arg())
local lost = {}
for _ = 1, count do lost[arg()] = true end
local slice = redis.call('ZSCAN', LEASES, cursor, 'COUNT', MEMBERS_PER_CALL)
local freed = 0
for n = 1, #slice[2], 2 do
  local id, k = split(slice[2][n])
  local holder = redis.call('HGET', message(id), 't' .. k)
  if holder and lost[holder] then
    free(id, k, holder)
    freed = freed + 1
  end
end
return { slice[1], tostring(freed) }
