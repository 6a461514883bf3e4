-- What a former process of this node had taken and cannot end: its turns, its jobs, lanes that it took and gave no job,
-- its slots. Their lanes are due at once.
-- ARGV  2 node  3 life of the caller  4 what the keys of jobs begin with
-- Answers how many turns, jobs and lanes there were.
local slots, takes = KEYS[8], KEYS[9]
local node, life, jobs = ARGV[2], ARGV[3], ARGV[4]
local taken_back, ended = 0, {}

local function wake(lane)
  if not ended[lane] then taken_back = taken_back + 1 end
  ended[lane] = true
  redis.call('ZADD', due, 'LT', whole(now), lane)
end

local function pairs_of(key)
  local words, at = redis.call('HGETALL', key), -1
  return function()
    at = at + 2
    return words[at], words[at + 1]
  end
end

for member, token in pairs_of(turns) do
  if is_former(token, node, life) then
    redis.call('HDEL', turns, member)
    count_no_more(member)
    wake(string.match(member, '^(.*)#%d+$'))
  end
end

-- BullMQ would find them when their locks have ended, and until then add no other job for these lanes.
for _, id in ipairs(redis.call('LRANGE', jobs .. 'active', 0, -1)) do
  local job = jobs .. id
  if is_former(redis.call('HGET', job, 'pb'), node, life) then
    local dedup, json = redis.call('HGET', job, 'deid'), redis.call('HGET', job, 'data')
    if dedup and redis.call('GET', jobs .. 'de:' .. dedup) == id then
      redis.call('DEL', jobs .. 'de:' .. dedup, jobs .. 'dn:' .. dedup)
    end
    redis.call('LREM', jobs .. 'active', 1, id)
    redis.call('SREM', jobs .. 'stalled', id)
    redis.call('DEL', job, job .. ':lock', job .. ':logs')
    local is_json, name = pcall(cjson.decode, json or '')
    if is_json and type(name) == 'table' and name.lane then
      count_no_more(name.lane .. '#' .. whole(name.slot))
      wake(name.lane)
    end
  end
end

for name, text in pairs_of(takes) do
  if is_former(name, node, life) then
    local answer = cjson.decode(string.sub(text, string.find(text, '\n', 1, true) + 1))
    for at = 5, #answer do
      local lane = answer[at]
      local left = redis.call('HGET', taken, lane)
      if left and left == redis.call('ZSCORE', due, lane) and not redis.call('HGET', turns, lane .. '#0') then
        count_no_more(lane .. '#0')
        wake(lane)
      end
    end
    redis.call('HDEL', takes, name)
  end
end

for _, entry in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
  if is_former(entry, node, life) then redis.call('ZREM', slots, entry) end
end
return taken_back
