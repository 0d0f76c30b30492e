import java.net.URI;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;

/** SDK 2, synchronous: HTTP/1.1 and CBOR. */
final class SdkV2 implements Stream {
    private final KinesisClient client;
    private final String name;

    SdkV2(String endpoint, String name) {
        this.name = name;
        client = KinesisClient.builder()
            .endpointOverride(URI.create(endpoint))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .httpClientBuilder(ApacheHttpClient.builder())
            .build();
    }

    @Override
    public List<Integer> put(List<Entry> entries) {
        return Convert.refused(client.putRecords(Convert.request(name, entries)));
    }

    @Override
    public List<Shard> shards() {
        return Convert.shards(client.listShards(r -> r.streamName(name)));
    }

    @Override
    public String iterator(String shard) {
        return client.getShardIterator(r -> r.streamName(name).shardId(shard)
            .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
    }

    @Override
    public Page get(String iterator) {
        return Convert.page(client.getRecords(r -> r.shardIterator(iterator)));
    }
}
