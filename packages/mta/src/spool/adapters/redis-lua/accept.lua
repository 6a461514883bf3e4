#!lua
-- Takes a message in. Without allow-oom: a full server refuses it before anything is written.
local status = insert(clock())
return { used(), status }
