-- wrk's part of http_load.py: the bodies of a file in turn, and what was measured as one line of JSON.

local requests, position = {}, 0

function init(arguments)
  local headers = { ["Authorization"] = "Token " .. arguments[1], ["Content-Type"] = "application/json" }
  local file = assert(io.open(arguments[2], "rb"))
  for body in file:read("*a"):gmatch("[^\30]+") do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
  file:close()
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
