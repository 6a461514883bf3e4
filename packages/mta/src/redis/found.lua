-- What was found wrong: how often, and a few examples of each kind. What can be mended is mended when that is wanted.
local found, found_in_order = {}, {}
local EXAMPLES_MAX = 3

local function wrong(kind, example, wanted, mend)
  local entry = found[kind]
  if not entry then
    entry = { kind, 0 }
    found[kind] = entry
    found_in_order[#found_in_order + 1] = entry
  end
  entry[2] = entry[2] + 1
  if #entry < 2 + EXAMPLES_MAX then entry[#entry + 1] = example end
  if wanted then mend() end
end

-- A key that somebody else has written into holds nothing of ours.
local function is_sound(key, kind, wanted)
  local is = redis.call('TYPE', key)['ok']
  if is == kind or is == 'none' then return true end
  wrong('key-of-wrong-kind', key, wanted, function() redis.call('DEL', key) end)
  return false
end
