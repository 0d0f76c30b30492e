-- wrk: PutRecords of 500 records of 1 KiB with random partition keys. STREAM names the stream; with
-- STREAMS=n requests go to STREAM-1 to STREAM-n in turn (of BODIES that are sent again and again).
local stream = os.getenv("STREAM") or "bench"
local count = tonumber(os.getenv("RECORDS") or "500")
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function random_base64(bytes)
  local out = {}
  for i = 1, math.floor(bytes / 3) * 4 do
    local at = math.random(64)
    out[i] = alphabet:sub(at, at)
  end
  return table.concat(out) .. "AA==" -- 3n + 1 bytes; 1024 = 3 * 341 + 1
end

local streams = tonumber(os.getenv("STREAMS") or "0")
local bodies = {}
for b = 1, tonumber(os.getenv("BODIES") or "8") do
  local records = {}
  for i = 1, count do
    records[i] = string.format('{"Data":"%s","PartitionKey":"key-%d"}', random_base64(1023), math.random(1000000))
  end
  local name = streams > 0 and stream .. "-" .. ((b - 1) % streams + 1) or stream
  bodies[b] = '{"Records":[' .. table.concat(records, ",") .. '],"StreamName":"' .. name .. '"}'
end

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-amz-json-1.1"
wrk.headers["X-Amz-Target"] = "Kinesis_20131202.PutRecords"
wrk.headers["X-Amz-Date"] = "20260101T000000Z"
wrk.headers["Authorization"] =
  "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"

local requests = {}
function init()
  for b = 1, #bodies do
    requests[b] = wrk.format(nil, "/", nil, bodies[b])
  end
end

local turn = 0
function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local ok = summary.requests - summary.errors.status
  io.write(string.format("%d records/s, p50 %.1f ms, p99 %.1f ms, %d errors\n",
    ok * count / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status))
end
