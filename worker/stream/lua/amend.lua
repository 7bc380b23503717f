#!lua flags=allow-oom
-- Move events from one outcome to another in the books, as after the retry of a dead letter. KEYS: books. ARGV: from, to, count.
redis.call('HINCRBY', KEYS[1], ARGV[1], -tonumber(ARGV[3]))
return redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[3])
