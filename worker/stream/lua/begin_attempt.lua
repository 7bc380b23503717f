#!lua flags=allow-oom
-- Put an attempt at entries on record. KEYS: attempts. ARGV: seconds to remember it, entry ids.
-- A script, because a full Redis refuses HINCRBY, and the entries that fill it may be behind one of these.
for i = 2, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[i], 1) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return #ARGV - 1
