#!lua flags=allow-oom
-- ARGV: day, then domain and due time of each. What another has planned, or even sent, stays as it is.
if redis.call('HGET', CLOSED, ARGV[1]) ~= 'closing' then return 0 end
for at = 2, #ARGV, 2 do
  if redis.call('HGET', reportKey(ARGV[1], ARGV[at]), 'done') ~= '1' then
    redis.call('ZADD', dueKey(ARGV[1]), 'NX', ARGV[at + 1], ARGV[at])
  end
end
return 1
