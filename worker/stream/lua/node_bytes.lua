#!lua flags=no-writes,allow-stale
-- Estimate the bytes of a node at the head of the stream. KEYS: stream.
-- A node holds up to a hundred small entries in 4 KiB, or one large entry; the sample begins at the oldest ones, which
-- are read next, and its cost depends on their number, not their size.
local total = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 200)
if not total then return 0 end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'radix-tree-keys' then return math.floor(total / math.max(1, info[i + 1])) end
end
return total
