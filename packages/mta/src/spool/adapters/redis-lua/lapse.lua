#!lua flags=allow-oom
-- Run now and then by every node, so that what a dead one held is due again without anybody asking for its lane.
lapse(clock())
return { used() }
