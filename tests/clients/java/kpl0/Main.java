import com.google.common.util.concurrent.ListenableFuture;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.services.kinesis.producer.KinesisProducer;
import com.amazonaws.services.kinesis.producer.KinesisProducerConfiguration;
import com.amazonaws.services.kinesis.producer.UserRecordResult;

/**
 * Main put ENDPOINT STREAM KEYS ROUNDS: the Kinesis Producer Library, aggregating, over TLS. Each round writes one record for each key, all
 * acknowledged before the next begins, and prints "round N".
 */
public final class Main {
    public static void main(String[] args) throws Exception {
        URI endpoint = URI.create(args[1]);
        String stream = args[2];
        var config = new KinesisProducerConfiguration()
            .setCredentialsProvider(new AWSStaticCredentialsProvider(new BasicAWSCredentials("test", "test")))
            .setRegion("us-east-1")
            .setKinesisEndpoint(endpoint.getHost()).setKinesisPort(endpoint.getPort())
            .setCloudwatchEndpoint(endpoint.getHost()).setCloudwatchPort(endpoint.getPort())
            .setStsEndpoint(endpoint.getHost()).setStsPort(endpoint.getPort())
            .setVerifyCertificate(false)
            .setRecordMaxBufferedTime(50)
            .setRecordTtl(600_000)
            .setRequestTimeout(3_000)
            .setMetricsUploadDelay(5_000);
        KinesisProducer producer = new KinesisProducer(config);
        for (int round = 0; round < Integer.parseInt(args[4]); round++) {
            List<Integer> left = new ArrayList<>();
            for (int key = 0; key < Integer.parseInt(args[3]); key++) {
                left.add(key);
            }
            while (!left.isEmpty()) {
                left = put(producer, stream, left, round);
            }
            System.out.println("round " + round);
        }
        producer.destroy();
        System.exit(0);
    }

    /** The keys whose records were refused. */
    private static List<Integer> put(KinesisProducer producer, String stream, List<Integer> keys, int round) throws Exception {
        List<ListenableFuture<UserRecordResult>> results = new ArrayList<>();
        for (int key : keys) {
            byte[] data = ("key-" + key + " " + round).getBytes(StandardCharsets.UTF_8);
            results.add(producer.addUserRecord(stream, "key-" + key, ByteBuffer.wrap(data)));
        }
        producer.flush();
        List<Integer> refused = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            try {
                UserRecordResult result = results.get(i).get();
                if (result.getAttempts().size() > 1) {
                    System.err.println("again: the library took " + result.getAttempts().size() + " attempts");
                }
            } catch (ExecutionException e) {
                System.err.println("again: " + e);
                refused.add(keys.get(i));
            }
        }
        return refused;
    }
}
