#!lua flags=allow-oom
-- Gives claims back untouched.
local count = tonumber(arg())
for _ = 1, count do free(arg(), arg(), arg()) end
return 1
