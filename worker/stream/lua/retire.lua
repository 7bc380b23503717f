#!lua flags=allow-oom
-- Delete a consumer without pending entries, and its progress. KEYS: stream, drains. ARGV: group, consumer.
-- Deleting one with pending entries would drop them silently; in a script nothing becomes pending in between.
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if not pending.err then
  if #pending > 0 then return 0 end
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
elseif not string.find(pending.err, 'NOGROUP') then
  return pending
end
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
