#!lua flags=allow-oom
-- Give the oldest pending entries of one consumer to another. KEYS: stream. ARGV: group, from, to, how many.
-- Returns the ids that were pending, and the entries; those that someone has deleted are missing among the entries.
-- A script, so that of two heirs each gets other entries, and none that a third consumer has claimed in between.
local ids = {}
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])) do
  ids[#ids + 1] = pending[1]
end
local entries = {}
-- In pieces, because Lua's stack holds about 8,000 arguments.
for i = 1, #ids, 4000 do
  local piece = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, unpack(ids, i, math.min(i + 3999, #ids)))
  for _, entry in ipairs(piece) do entries[#entries + 1] = entry end
end
return {ids, entries}
