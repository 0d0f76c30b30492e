import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.ListShardsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequest;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;

/** Between SDK 2's types and ours. */
final class Convert {
    private Convert() {}

    static PutRecordsRequest request(String stream, List<Stream.Entry> entries) {
        List<PutRecordsRequestEntry> records = new ArrayList<>();
        for (Stream.Entry entry : entries) {
            records.add(PutRecordsRequestEntry.builder().partitionKey(entry.key())
                .data(SdkBytes.fromUtf8String(entry.data())).build());
        }
        return PutRecordsRequest.builder().streamName(stream).records(records).build();
    }

    static List<Integer> refused(PutRecordsResponse response) {
        List<Integer> refused = new ArrayList<>();
        for (int i = 0; i < response.records().size(); i++) {
            if (response.records().get(i).errorCode() != null) {
                refused.add(i);
            }
        }
        return refused;
    }

    static List<Stream.Shard> shards(ListShardsResponse response) {
        return response.shards().stream()
            .map(s -> new Stream.Shard(s.shardId(), s.parentShardId(), s.adjacentParentShardId())).toList();
    }

    static Stream.Page page(GetRecordsResponse response) {
        List<Stream.Entry> entries = new ArrayList<>();
        for (Record record : response.records()) {
            if (record.approximateArrivalTimestamp().getEpochSecond() < 1_700_000_000L) {
                throw new IllegalStateException("arrival in the past: " + record);
            }
            entries.add(new Stream.Entry(record.partitionKey(), record.data().asUtf8String()));
        }
        List<String> children = response.childShards().stream().map(ChildShard::shardId).toList();
        return new Stream.Page(entries, response.nextShardIterator(), children);
    }
}
