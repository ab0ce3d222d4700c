-- Spreads the requests of wrk evenly in time: each thread has its moments, and whichever connection is free
-- takes the next one. What was kept waiting is caught up with at once, so the rate is the rate that was asked for
-- as long as there are free connections. PER_THREAD is how many a thread sends in a second; 0: all it can.
local ffi = require("ffi")
ffi.cdef [[
   struct load_moment { long seconds; long nanoseconds; };
   int clock_gettime(int clock, struct load_moment *moment);
]]

local per_second = tonumber(os.getenv("PER_THREAD"))
local moment = ffi.new("struct load_moment")
local began, taken = nil, 0

local function now_ms()
   ffi.C.clock_gettime(1, moment)
   return tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1e6
end

function init(args)
   wrk.headers["cookie"] = os.getenv("COOKIE")
end

if per_second > 0 then
   -- Asked for before each request: how many milliseconds to wait.
   function delay()
      began = began or now_ms()
      taken = taken + 1
      return math.max(0, math.floor(began + taken * 1000 / per_second - now_ms() + 0.5))
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
   io.write(string.format("\nRESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
      latency:percentile(50), latency:percentile(99), latency.max, failed))
end
