import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.cloudwatch.AmazonCloudWatchClientBuilder;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDBClientBuilder;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.v2.IRecordProcessor;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.v2.IRecordProcessorFactory;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.IRecordProcessorCheckpointer;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.InitialPositionInStream;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.KinesisClientLibConfiguration;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.ShutdownReason;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.Worker;
import com.amazonaws.services.kinesis.clientlibrary.types.InitializationInput;
import com.amazonaws.services.kinesis.clientlibrary.types.ProcessRecordsInput;
import com.amazonaws.services.kinesis.clientlibrary.types.ShutdownInput;
import com.amazonaws.services.kinesis.model.Record;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Main get ENDPOINT STREAM KEYS ROUNDS: the Kinesis Client Library 1. Prints "KEY ROUND" for each record until all were seen. Its leases are
 * in DynamoDB and its metrics in CloudWatch, at the same endpoint.
 */
public final class Main {
    private static final Set<String> seen = ConcurrentHashMap.newKeySet();
    private static final CountDownLatch done = new CountDownLatch(1);
    private static int wanted;

    public static void main(String[] args) throws Exception {
        var endpoint = new EndpointConfiguration(args[1], "us-east-1");
        wanted = Integer.parseInt(args[3]) * Integer.parseInt(args[4]);
        var credentials = new AWSStaticCredentialsProvider(new BasicAWSCredentials("test", "test"));
        var config = new KinesisClientLibConfiguration("reader-1", args[2], credentials, "worker")
            .withRegionName("us-east-1")
            .withInitialPositionInStream(InitialPositionInStream.TRIM_HORIZON)
            .withIdleTimeBetweenReadsInMillis(200)
            .withParentShardPollIntervalMillis(500)
            .withShardSyncIntervalMillis(1_000)
            .withFailoverTimeMillis(5_000);
        IRecordProcessorFactory factory = Processor::new;
        Worker worker = new Worker.Builder().recordProcessorFactory(factory).config(config)
            .kinesisClient(AmazonKinesisClientBuilder.standard().withEndpointConfiguration(endpoint)
                .withCredentials(credentials).build())
            .dynamoDBClient(AmazonDynamoDBClientBuilder.standard().withEndpointConfiguration(endpoint)
                .withCredentials(credentials).build())
            .cloudWatchClient(AmazonCloudWatchClientBuilder.standard().withEndpointConfiguration(endpoint)
                .withCredentials(credentials).build())
            .build();
        Thread thread = new Thread(worker, "worker");
        thread.setDaemon(true);
        thread.start();
        boolean isComplete = done.await(240, TimeUnit.SECONDS);
        if (isComplete) {
            worker.startGracefulShutdown().get(30, TimeUnit.SECONDS);
        } else {
            System.err.println("saw " + seen.size() + " of " + wanted + " records");
        }
        System.exit(isComplete ? 0 : 1);
    }

    private static final class Processor implements IRecordProcessor {
        @Override
        public void initialize(InitializationInput input) {
            System.err.println("begin " + input.getShardId() + " at " + input.getExtendedSequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            StringBuilder lines = new StringBuilder();
            for (Record record : input.getRecords()) {
                String text = StandardCharsets.UTF_8.decode(record.getData()).toString();
                if (!text.startsWith(record.getPartitionKey() + " ")) {
                    throw new IllegalStateException("wrong record: " + record.getPartitionKey() + ": " + text);
                }
                lines.append(text).append('\n');
                seen.add(text);
            }
            synchronized (Main.class) {
                System.out.print(lines);
                System.out.flush();
            }
            checkpoint(input.getCheckpointer());
            if (seen.size() >= wanted) {
                done.countDown();
            }
        }

        @Override
        public void shutdown(ShutdownInput input) {
            if (input.getShutdownReason() == ShutdownReason.TERMINATE) {
                checkpoint(input.getCheckpointer());
            }
        }

        private static void checkpoint(IRecordProcessorCheckpointer checkpointer) {
            for (int attempt = 0;; attempt++) {
                try {
                    checkpointer.checkpoint();
                    return;
                } catch (Exception e) {
                    System.err.println("checkpoint: " + e);
                    if (attempt == 50) {
                        throw new IllegalStateException(e);
                    }
                }
                try {
                    Thread.sleep(200);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }
}
