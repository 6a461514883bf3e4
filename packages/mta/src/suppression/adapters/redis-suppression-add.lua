-- ARGV  3 address  4 entry  5 its end (ms)
-- Answers 1, or 0 when there is no room.
clear_ended()
return put(ARGV[3], ARGV[4], ARGV[5], false) and 1 or 0
