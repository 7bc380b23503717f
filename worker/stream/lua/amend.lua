#!lua flags=allow-oom
-- Enter in the books that events changed their outcome, as retried dead letters do. KEYS: books. ARGV: from, to, count.
redis.call('HINCRBY', KEYS[1], ARGV[1], -tonumber(ARGV[3]))
return redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[3])
