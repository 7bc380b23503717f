#!lua flags=allow-oom
-- Note that a drain gets through, and add up what was measured. KEYS: drains, measures. ARGV: the drain's consumer or
-- '', then pairs of field and number. By the clock of Redis, so that whoever looks need not trust the workers' clocks.
-- A field that ends in /at is no sum but the time of the report.
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
