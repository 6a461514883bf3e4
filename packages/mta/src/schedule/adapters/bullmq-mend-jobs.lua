-- Compares what BullMQ keeps of lane jobs with itself: a job is a hash that one list names, and its deduplication key
-- names the job. Whatever else is there is of no use, or keeps a lane from getting another job.
-- ARGV  1 lease (ms)  2 '1' mends  3 what the keys of jobs begin with  4... keys that were seen: of jobs, `de:` and `dn:`
-- Answers the findings.
local wanted, B = ARGV[2] == '1', ARGV[3]
local STRAYS_MAX = 10000
local TYPES = {
  wait = 'list', active = 'list', paused = 'list', meta = 'hash', id = 'string', events = 'stream', stalled = 'set',
  marker = 'zset', delayed = 'zset', prioritized = 'zset', completed = 'zset', failed = 'zset', ['waiting-children'] = 'zset',
}
local all_sound = true
for name, kind in pairs(TYPES) do all_sound = is_sound(B .. name, kind, wanted) and all_sound end
if not all_sound and not wanted then return found_in_order end

local function drop(id)
  local dedup = redis.call('HGET', B .. id, 'deid')
  if dedup and redis.call('GET', B .. 'de:' .. dedup) == id then redis.call('DEL', B .. 'de:' .. dedup, B .. 'dn:' .. dedup) end
  redis.call('DEL', B .. id, B .. id .. ':lock', B .. id .. ':logs')
end

-- Nobody of ours pauses or limits these jobs.
for _, field in ipairs({ 'paused', 'concurrency', 'max', 'duration' }) do
  if redis.call('HEXISTS', B .. 'meta', field) == 1 then
    wrong('jobs-paused', field, wanted, function() redis.call('HDEL', B .. 'meta', field) end)
  end
end
if redis.call('EXISTS', B .. 'limiter') == 1 then
  wrong('jobs-paused', 'limiter', wanted, function() redis.call('DEL', B .. 'limiter') end)
end

-- Lane jobs have no delay, no priority, no parents, and nothing is kept of those that have ended.
for _, name in ipairs({ 'delayed', 'prioritized', 'completed', 'failed', 'waiting-children' }) do
  for _, id in ipairs(redis.call('ZRANGE', B .. name, 0, STRAYS_MAX)) do
    wrong('job-stray', name .. ' ' .. id, wanted, function()
      redis.call('ZREM', B .. name, id)
      drop(id)
    end)
  end
end
for _, id in ipairs(redis.call('LRANGE', B .. 'paused', 0, STRAYS_MAX)) do
  wrong('job-stray', 'paused ' .. id, wanted, function()
    redis.call('LREM', B .. 'paused', 0, id)
    drop(id)
  end)
end

local named, largest = {}, 0
for _, list in ipairs({ 'active', 'wait' }) do
  for _, id in ipairs(redis.call('LRANGE', B .. list, 0, -1)) do
    local is_job = redis.call('TYPE', B .. id)['ok'] == 'hash' and redis.call('HEXISTS', B .. id, 'data') == 1
    if is_job and not named[id] then
      named[id] = true
      largest = math.max(largest, tonumber(id) or 0)
    else
      wrong('job-stray', list .. ' ' .. id, wanted, function()
        redis.call('LREM', B .. list, 1, id)
        if not is_job then drop(id) end
      end)
    end
  end
end

for at = 4, #ARGV do
  local name = ARGV[at]
  local key, dedup = B .. name, string.match(name, '^d[en]:(.*)$')
  if not dedup then
    largest = math.max(largest, tonumber(name) or 0)
    local is_there = redis.call('EXISTS', key) == 1
    if is_there and not named[name] then wrong('job-lost', name, wanted, function() drop(name) end) end
  elseif redis.call('EXISTS', key) == 1 then
    local of = redis.call('TYPE', B .. 'de:' .. dedup)['ok'] == 'string' and redis.call('GET', B .. 'de:' .. dedup)
    if not of or not named[of] then
      wrong('job-lost', name, wanted, function() redis.call('DEL', B .. 'de:' .. dedup, B .. 'dn:' .. dedup) end)
    end
  end
end

-- A job whose number is taken is taken for a repetition.
if (tonumber(redis.call('GET', B .. 'id') or '0') or 0) < largest then
  local number = string.format('%.0f', largest)
  wrong('job-counter', number, wanted, function() redis.call('SET', B .. 'id', number) end)
end
return found_in_order
