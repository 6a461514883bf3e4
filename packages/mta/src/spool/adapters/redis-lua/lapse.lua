#!lua flags=allow-oom
-- Run now and then by every node, so that what a dead one held is due again without anybody asking for its lane.
local now = clock()
if isOutage(now) then redis.call('SET', GRACE, 1, 'PX', GRACE_MS) end
redis.call('SET', ALIVE, string.format('%.0f', now))
lapse(now)
return { used() }
