#!lua flags=allow-oom
-- Note that a drain gets through, and add up what was measured. KEYS: drains, measures. ARGV: the drain's consumer or
-- '', then pairs of field and number. By the clock of Redis, so that whoever looks need not trust the workers' clocks.
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1]) end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
