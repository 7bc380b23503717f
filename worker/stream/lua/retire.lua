#!lua flags=allow-oom
-- Delete a consumer that has nothing pending, and its sign of life. KEYS: stream, drains. ARGV: group, consumer.
-- Deleting one that has would drop its entries without a word; in a script nothing becomes pending in between.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #pending > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
