-- ARGV  3 address
-- Answers 1 when it was suppressed.
local was = is_suppressed(ARGV[3]) and 1 or 0
forget(ARGV[3])
forgive(ARGV[3])
return was
