-- What deliveries said of addresses.
-- ARGV  3 strikes  4 end of a window that begins now (ms)  5 end of an entry that begins now (ms)
--       6 number of addresses that got mail, these, and then address and entry of each refusal
-- Answers the entries that are new.
local needed, window_ends, entry_ends, delivered = tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])

clear_ended()
for at = 7, 6 + delivered do
  forgive(ARGV[at])
end

local added = {}
for at = 7 + delivered, #ARGV, 2 do
  local address, entry = ARGV[at], ARGV[at + 1]
  if not is_suppressed(address) then
    local window = redis.call('ZSCORE', windows, address)
    if not window or tonumber(window) <= now then
      forgive(address)
      redis.call('ZADD', windows, window_ends, address)
    end
    if redis.call('HINCRBY', strikes, address, 1) >= needed then
      forgive(address)
      if put(address, entry, entry_ends, true) then table.insert(added, entry) end
    end
  end
end
return added
