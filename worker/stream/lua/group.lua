#!lua flags=allow-oom
-- Create the group at the stream's beginning, unless it exists. KEYS: stream. ARGV: group.
-- A script, because a full Redis refuses XGROUP CREATE, and the drain that empties it may be the group's first reader.
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if reply.err and string.find(reply.err, 'BUSYGROUP') then return 0 end
return reply
