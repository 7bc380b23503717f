#!lua flags=no-writes
-- The books, all figures of one instant. KEYS: stream, books. ARGV: group.
-- Returns added, waiting, pending, oldest waiting id or '', server time in s, recorded, duplicate, dead.
local function field(reply, name)
  for i = 1, #reply, 2 do
    if reply[i] == name then return reply[i + 1] end
  end
end
local added, waiting, pending, oldest = 0, 0, 0, ''
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  added, waiting = field(info, 'entries-added'), field(info, 'length')
  local first = field(info, 'first-entry')
  if first then oldest = first[1] end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if field(group, 'name') == ARGV[1] then pending = field(group, 'pending') end
  end
end
local outcomes = redis.call('HMGET', KEYS[2], 'recorded', 'duplicate', 'dead')
local reply = {added, waiting, pending, oldest, tonumber(redis.call('TIME')[1])}
for i = 1, 3 do reply[#reply + 1] = tonumber(outcomes[i] or 0) end
return reply
