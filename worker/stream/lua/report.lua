#!lua flags=allow-oom
-- Note that a drain makes progress, and add up measurements. KEYS: drains, measures. ARGV: the drain's consumer or '',
-- then pairs of field and number. Uses the clock of Redis, so that no reader depends on the workers' clocks.
-- A field that ends in /at holds the time of the report instead of a sum.
local now_s = redis.call('TIME')[1]
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], now_s) end
for i = 2, #ARGV, 2 do
  if string.sub(ARGV[i], -3) == '/at' then
    redis.call('HSET', KEYS[2], ARGV[i], now_s)
  else
    redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
return 1
