-- The site answers on a permit that is kept: an adaptive limit grows, and those who wait are called.
-- Answers: look again after ms.
learn('good', 0)
call_waiting()
remember()
return look_again_ms()
