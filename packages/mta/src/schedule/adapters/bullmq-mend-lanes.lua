-- Compares when lanes are due with the deliveries that wait in them.
-- ARGV  1 lease (ms)  2 '1' mends  3 what the keys of lanes begin with  4 what those of jobs begin with  5... lanes
-- Answers the findings.
local wanted, lane_prefix, job_prefix = ARGV[2] == '1', ARGV[3], ARGV[4]
-- Between a take and its job; and how long a woken lane may wait where relays run.
local JUST_NOW_MS = 5000
-- Longer than any turn puts its lane off, but for rates; whoever is woken too early looks, and is put off again.
local FAR_MS, BACKOFF_MS_MAX = 20 * 60 * 1000, 60 * 60 * 1000

local has_job = {}
for _, list in ipairs({ 'wait', 'active' }) do
  for _, id in ipairs(redis.pcall('LRANGE', job_prefix .. list, 0, -1)) do
    local json = redis.pcall('HGET', job_prefix .. id, 'data')
    local is_json, job = pcall(cjson.decode, type(json) == 'string' and json or '')
    if is_json and type(job) == 'table' and job.slot == 0 then has_job[job.lane] = true end
  end
end

local function due_again(lane, first)
  return function()
    redis.call('HDEL', taken, lane)
    redis.call('ZREM', held, lane)
    redis.call('ZREM', held_silent, lane)
    redis.call('ZADD', due, whole(first), lane)
  end
end

local function look_at_backoff(lane)
  local ends = redis.call('HGET', backoff, lane)
  if not ends or tonumber(ends) and tonumber(ends) <= now + BACKOFF_MS_MAX then return ends end
  wrong('backoff-far', lane, wanted, function() redis.call('HDEL', backoff, lane) end)
  return nil
end

local function look_at(lane)
  local is_set = redis.call('TYPE', lane_prefix .. lane)['ok'] == 'zset'
  local first = is_set and earliest_in(lane_prefix .. lane) or nil
  local score, left, ends = redis.call('ZSCORE', due, lane), redis.call('HGET', taken, lane), look_at_backoff(lane)
  local at = tonumber(score)
  if not at then
    if first then wrong('lane-missing', lane, wanted, due_again(lane, first)) end
    return
  end
  if ends and tonumber(ends) == at and at > now then return end
  local is_leased = left and tonumber(left) == at and at > now and at <= now + lease_ms
  local is_held = redis.call('ZSCORE', held, lane) or redis.call('ZSCORE', held_silent, lane)
  -- Mail of the top class gets a slot without a job.
  local has_turn = has_job[lane] or redis.call('HEXISTS', turns, lane .. '#0') == 1
  if is_leased and (has_turn or is_held or at > now + lease_ms - JUST_NOW_MS) then return end
  if not first then
    local is_just_woken = at <= now and at > now - JUST_NOW_MS
    if not is_just_woken then
      wrong('lane-stray', lane, wanted, function()
        redis.call('ZREM', due, lane)
        redis.call('HDEL', taken, lane)
      end)
    end
  elseif is_leased then
    wrong('lane-job-lost', lane, wanted, due_again(lane, first))
  elseif at > math.max(tonumber(first), now) + FAR_MS then
    wrong('lane-far', lane, wanted, due_again(lane, first))
  end
end

-- Told once, with the first call, which names no lanes. Of `due` the spool has told.
local is_first, unsound = #ARGV == 4, 0
for key, kind in pairs({
  [due] = 'zset', [held] = 'zset', [held_silent] = 'zset', [silent] = 'zset', [urgent] = 'zset', [silences] = 'hash',
  [proven] = 'zset', [unproven] = 'zset', [KEYS[8]] = 'zset',
  [taken] = 'hash', [backoff] = 'hash', [turns] = 'hash', [KEYS[9]] = 'hash',
}) do
  if is_first and key ~= due then is_sound(key, kind, wanted) end
  local is = redis.call('TYPE', key)['ok']
  if is ~= kind and is ~= 'none' then unsound = unsound + 1 end
end
if unsound > 0 then return found_in_order end
for at = 5, #ARGV do look_at(ARGV[at]) end
return found_in_order
