#!lua
-- Store what a user plays now, and list the user until it expires. KEYS: value, list. ARGV: user, value, seconds.
-- A script, because the list is ordered by the clock of Redis.
local now_s = tonumber(redis.call('TIME')[1])
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_s)
redis.call('ZADD', KEYS[2], now_s + ARGV[3], ARGV[1])
-- The list ends with its last song: no name stays where nobody plays any more.
if redis.call('TTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
return 1
