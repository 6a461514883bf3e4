-- What a former process of this node held at the site, and its places in line. Those who wait are called.
-- ARGV  6 node  7 life of the caller
-- Answers how many permits came back.
local node, life = ARGV[6], ARGV[7]
local came_back = 0
for _, permit in ipairs(redis.call('ZRANGE', held, 0, -1)) do
  if is_former(permit, node, life) then came_back = came_back + redis.call('ZREM', held, permit) end
end
for _, line in ipairs({ waiting, called }) do
  for _, waiter in ipairs(redis.call('ZRANGE', line, 0, -1)) do
    if is_former(waiter, node, life) then
      redis.call('ZREM', line, waiter)
      local lane = string.match(waiter, ' (.*)$')
      if lane ~= '' then redis.call('ZADD', KEYS[5], 'LT', whole(now), lane) end
    end
  end
end
call_waiting()
remember()
return came_back
