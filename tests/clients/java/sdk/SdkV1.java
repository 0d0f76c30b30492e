import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.model.GetRecordsRequest;
import com.amazonaws.services.kinesis.model.ListShardsRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequestEntry;
import com.amazonaws.services.kinesis.model.PutRecordsResult;
import com.amazonaws.services.kinesis.model.Record;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** SDK 1: HTTP/1.1 and CBOR. */
final class SdkV1 implements Stream {
    private final AmazonKinesis client;
    private final String name;

    SdkV1(String endpoint, String name) {
        this.name = name;
        client = AmazonKinesisClientBuilder.standard()
            .withEndpointConfiguration(new EndpointConfiguration(endpoint, "us-east-1"))
            .withCredentials(new AWSStaticCredentialsProvider(new BasicAWSCredentials("test", "test")))
            .build();
    }

    @Override
    public List<Integer> put(List<Entry> entries) {
        List<PutRecordsRequestEntry> records = new ArrayList<>();
        for (Entry entry : entries) {
            records.add(new PutRecordsRequestEntry().withPartitionKey(entry.key())
                .withData(ByteBuffer.wrap(entry.data().getBytes(StandardCharsets.UTF_8))));
        }
        PutRecordsResult result = client.putRecords(new PutRecordsRequest().withStreamName(name).withRecords(records));
        List<Integer> refused = new ArrayList<>();
        for (int i = 0; i < entries.size(); i++) {
            if (result.getRecords().get(i).getErrorCode() != null) {
                refused.add(i);
            }
        }
        return refused;
    }

    @Override
    public List<Shard> shards() {
        return client.listShards(new ListShardsRequest().withStreamName(name)).getShards().stream()
            .map(s -> new Shard(s.getShardId(), s.getParentShardId(), s.getAdjacentParentShardId())).toList();
    }

    @Override
    public String iterator(String shard) {
        return client.getShardIterator(name, shard, "TRIM_HORIZON").getShardIterator();
    }

    @Override
    public Page get(String iterator) {
        var result = client.getRecords(new GetRecordsRequest().withShardIterator(iterator));
        List<Entry> entries = new ArrayList<>();
        for (Record record : result.getRecords()) {
            if (record.getApproximateArrivalTimestamp().getTime() < 1_700_000_000_000L) {
                throw new IllegalStateException("arrival in the past: " + record);
            }
            entries.add(new Entry(record.getPartitionKey(), StandardCharsets.UTF_8.decode(record.getData()).toString()));
        }
        List<String> children = new ArrayList<>();
        if (result.getChildShards() != null) {
            result.getChildShards().forEach(child -> children.add(child.getShardId()));
        }
        return new Page(entries, result.getNextShardIterator(), children);
    }
}
