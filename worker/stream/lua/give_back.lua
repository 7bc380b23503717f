-- Make orphaned entries pending again: delivered, still in the stream, and pending for no consumer. KEYS: stream.
-- ARGV: group, consumer, how many entries to look at. Returns how many it made pending.
-- XGROUP DELCONSUMER and a foreign XACK leave such entries behind, and no XREADGROUP would ever show them again.
local last
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if group[2] == ARGV[1] then
    for field = 1, #group, 2 do
      if group[field] == 'last-delivered-id' then last = group[field + 1] end
    end
  end
end
if not last then return 0 end
local given = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', ARGV[3])) do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1) == 0 then
    -- Idle for as long as one can say, so that whoever looks for abandoned entries takes it at once.
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'IDLE', 86400000, 'FORCE', 'JUSTID')
    given = given + 1
  end
end
return given
