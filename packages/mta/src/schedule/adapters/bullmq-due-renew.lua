-- Turns that still run: their lanes stay out of the way, and those that move nothing count as such.
-- ARGV  2... turns: lane, slot, token, 'moves' or 'stuck'
-- Answers 1 (still the turn of its lane and slot) or 0 for each.
local answers = {}
for at = 2, #ARGV, 4 do
  local lane, slot, token, moves = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3] == 'moves'
  local member = lane .. '#' .. slot
  local ours = redis.call('HGET', turns, member) == token
  answers[#answers + 1] = ours and 1 or 0
  if ours then
    local left = redis.call('HGET', taken, lane)
    if slot == '0' and left and redis.call('ZSCORE', due, lane) == left then lease(lane) end
    if moves then
      prove(lane)
      count_no_more(member)
    else
      count_unproven(lane, member)
    end
  end
end
return answers
