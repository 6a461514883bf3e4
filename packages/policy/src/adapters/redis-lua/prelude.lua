-- What every script of the shared policies begins with. KEYS[1] begins all their keys, which share its hash tag.
--
--   :entry:<domain>   hash: document, id, fetched, refresh, failures, mode, expires; failed, failure after a failure
--   :names            zset, score 0: every domain that has an entry
--   :refresh          zset, score refreshAt
--   :fetched:<mode>   zset, score fetchedAt
--   :expiry:<mode>    zset, score the policy's own end
--   :epoch            who made this store; another value, or none, says that it was emptied or replaced
--   :lease:<domain>   string that ends by itself: who set it may refresh
--
-- No entry has a time to live: a policy ends by its own age, which is not the business of the store. Nothing here is
-- `no-writes`, so that a replica, which may lag behind, refuses to answer.
local BASE = KEYS[1]
local MODES = { 'enforce', 'none', 'testing' }
local NAMES, REFRESH, EPOCH = BASE .. ':names', BASE .. ':refresh', BASE .. ':epoch'

local function entryKey(domain) return BASE .. ':entry:' .. domain end
local function fetchedKey(mode) return BASE .. ':fetched:' .. mode end
local function expiryKey(mode) return BASE .. ':expiry:' .. mode end

local function typeOf(key) return redis.call('TYPE', key).ok end

-- When the policy of a domain ends, as the indexes know it.
local function expiryOf(domain)
  for _, mode in ipairs(MODES) do
    local score = redis.call('ZSCORE', expiryKey(mode), domain)
    if score then return tonumber(score) end
  end
  return nil
end

local function unindex(domain)
  redis.call('ZREM', NAMES, domain)
  redis.call('ZREM', REFRESH, domain)
  for _, mode in ipairs(MODES) do
    redis.call('ZREM', fetchedKey(mode), domain)
    redis.call('ZREM', expiryKey(mode), domain)
  end
end

local function index(domain, mode, times)
  redis.call('ZADD', NAMES, 0, domain)
  redis.call('ZADD', REFRESH, times.refresh, domain)
  redis.call('ZADD', fetchedKey(mode), times.fetched, domain)
  redis.call('ZADD', expiryKey(mode), times.expires, domain)
end

-- The fields of an entry; `missing` when the indexes know of one that has not ended; `damaged` when it is something
-- else; nil: none.
local function entryOf(domain, now)
  local kind = typeOf(entryKey(domain))
  if kind == 'hash' then return redis.call('HGETALL', entryKey(domain)) end
  if kind ~= 'none' then return 'damaged' end
  if not redis.call('ZSCORE', NAMES, domain) then return nil end
  local expires = expiryOf(domain)
  if expires and expires < tonumber(now) then return nil end
  return 'missing'
end

