-- GetRecords of 10,000 records with the iterator in the environment variable ITERATOR, again and again.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-amz-json-1.1"
wrk.headers["X-Amz-Target"] = "Kinesis_20131202.GetRecords"
wrk.headers["X-Amz-Date"] = "20260101T000000Z"
wrk.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
wrk.body = '{"Limit":10000,"ShardIterator":"' .. os.getenv("ITERATOR") .. '"}'

function done(summary, latency, requests)
   local records = tonumber(os.getenv("RECORDS"))
   local good = summary.requests - summary.errors.status
   local seconds = summary.duration / 1e6
   print(string.format("%.0f records/s, %.0f MB/s, p50 %.1f ms, p99 %.1f ms, %d errors", good * records / seconds,
      summary.bytes / seconds / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      summary.errors.status + summary.errors.read + summary.errors.timeout))
end
