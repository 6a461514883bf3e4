-- Answers {node, record, age of its last beat, wish or empty, ...}.
forget_old()
local answer = {}
for _, node in ipairs(redis.call('ZRANGE', beats, 0, -1)) do
  answer[#answer + 1] = node
  answer[#answer + 1] = redis.call('HGET', records, node) or ''
  answer[#answer + 1] = beat_age(node)
  answer[#answer + 1] = redis.call('HGET', wishes, node) or ''
end
return answer
