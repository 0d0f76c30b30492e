-- GetRecords of 10,000 records with the iterator in the environment variable ITERATOR, again and again; in CBOR where FORM says so.
local iterator = os.getenv("ITERATOR")
local is_cbor = os.getenv("FORM") == "cbor"
wrk.method = "POST"
wrk.headers["Content-Type"] = is_cbor and "application/x-amz-cbor-1.1" or "application/x-amz-json-1.1"
wrk.headers["X-Amz-Target"] = "Kinesis_20131202.GetRecords"
wrk.headers["X-Amz-Date"] = "20260101T000000Z"
wrk.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
wrk.body = '{"Limit":10000,"ShardIterator":"' .. iterator .. '"}'
if is_cbor then -- A map of two; 10,000 as u16, the text with a length of two bytes.
   wrk.body = "\xA2\x65Limit\x19\x27\x10\x6DShardIterator\x79" ..
      string.char(math.floor(#iterator / 256), #iterator % 256) .. iterator
end

function done(summary, latency, requests)
   local records = tonumber(os.getenv("RECORDS"))
   local good = summary.requests - summary.errors.status
   local seconds = summary.duration / 1e6
   print(string.format("%.0f records/s, %.0f MB/s, p50 %.1f ms, p99 %.1f ms, %d errors", good * records / seconds,
      summary.bytes / seconds / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      summary.errors.status + summary.errors.read + summary.errors.timeout))
end
