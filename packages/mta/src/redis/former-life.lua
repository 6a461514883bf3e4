-- Whether a name was given by a former process of the node whose process asks (`life.ts`).
local function is_former(name, node, life)
  if not name or string.sub(name, 1, #node + 1) ~= node .. '.' then return false end
  return string.sub(name, 1, #life) ~= life
end
