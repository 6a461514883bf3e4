#!lua flags=no-writes
-- What is given out to one process, slice by slice of all that is given out: where to go on ('0': nowhere), then the
-- message, the delivery and the name of each.
local MEMBERS_PER_CALL = 500
local cursor, life = arg(), arg() .. '.'
local slice = redis.call('ZSCAN', LEASES, cursor, 'COUNT', MEMBERS_PER_CALL)
local given = { slice[1] }
for n = 1, #slice[2], 2 do
  local id, k = split(slice[2][n])
  local holder = redis.call('HGET', message(id), 't' .. k)
  if holder and string.sub(holder, 1, #life) == life then
    given[#given + 1] = id
    given[#given + 1] = k
    given[#given + 1] = holder
  end
end
return given
