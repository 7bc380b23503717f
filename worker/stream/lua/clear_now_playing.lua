#!lua flags=allow-oom
-- Remove what a user plays now. KEYS: value, list. ARGV: user, then the value that it must still have, if any.
-- A player announces the next song while the play of the last one is on its way; that announcement stays.
if ARGV[2] and redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
