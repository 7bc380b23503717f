#!lua flags=allow-oom
-- Acknowledge, delete and count entries at once.
-- KEYS: stream, books. ARGV: group, then per outcome its name, a number n, and n entry ids.
-- A script instead of MULTI: a full Redis refuses MULTI, but runs a script flagged allow-oom.
-- Only pending entries count and are deleted: an entry that two workers hold counts once, and one whose group was
-- destroyed stays for its next reader.
local total, at = 0, 2
while at <= #ARGV do
  local outcome, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
  local pending = {}
  for i = at + 2, last do
    if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then pending[#pending + 1] = ARGV[i] end
  end
  -- In pieces, because Lua's stack holds about 8,000 arguments.
  for i = 1, #pending, 4000 do
    redis.call('XDEL', KEYS[1], unpack(pending, i, math.min(i + 3999, #pending)))
  end
  if #pending > 0 then redis.call('HINCRBY', KEYS[2], outcome, #pending) end
  total, at = total + #pending, last + 1
end
return total
