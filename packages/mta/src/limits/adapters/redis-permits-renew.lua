-- Prolongs leases. One that ended is taken again when the site has room, else it is lost.
-- ARGV  6... permits
-- Answers 1 (held) or 0 (lost) for each.
local answers = {}
note_site()
for at = 6, #ARGV do
  local ours = redis.call('ZSCORE', held, ARGV[at]) or redis.call('ZCARD', held) < allowed()
  if ours then redis.call('ZADD', held, whole(now + lease_ms), ARGV[at]) end
  answers[#answers + 1] = ours and 1 or 0
end
remember()
return answers
