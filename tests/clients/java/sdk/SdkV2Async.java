import java.net.URI;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.ProtocolNegotiation;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.utils.AttributeMap;

/**
 * SDK 2, asynchronous: HTTP/2 and CBOR. On http:// with prior knowledge; on https:// as the SDK does it by itself (ALPN), trusting any
 * certificate.
 */
final class SdkV2Async implements Stream {
    private final KinesisAsyncClient client;
    private final String name;

    SdkV2Async(String endpoint, String name) {
        this.name = name;
        boolean isPlain = endpoint.startsWith("http:");
        var http = NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP2)
            .protocolNegotiation(isPlain ? ProtocolNegotiation.ASSUME_PROTOCOL : ProtocolNegotiation.ALPN)
            .buildWithDefaults(AttributeMap.builder()
                .put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build());
        client = KinesisAsyncClient.builder()
            .endpointOverride(URI.create(endpoint))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .httpClient(http)
            .build();
    }

    private static <T> T wait(CompletableFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    @Override
    public List<Integer> put(List<Entry> entries) throws Exception {
        return Convert.refused(wait(client.putRecords(Convert.request(name, entries))));
    }

    @Override
    public List<Shard> shards() throws Exception {
        return Convert.shards(wait(client.listShards(r -> r.streamName(name))));
    }

    @Override
    public String iterator(String shard) throws Exception {
        return wait(client.getShardIterator(r -> r.streamName(name).shardId(shard)
            .shardIteratorType(ShardIteratorType.TRIM_HORIZON))).shardIterator();
    }

    @Override
    public Page get(String iterator) throws Exception {
        return Convert.page(wait(client.getRecords(r -> r.shardIterator(iterator))));
    }
}
