import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.ProtocolNegotiation;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * Main polling|fanout get ENDPOINT STREAM KEYS ROUNDS: the Kinesis Client Library 3. Prints "KEY ROUND" for each record until all were seen.
 * Its leases are in DynamoDB and its metrics in CloudWatch, at the same endpoint.
 */
public final class Main {
    private static final Set<String> seen = ConcurrentHashMap.newKeySet();
    private static final CountDownLatch done = new CountDownLatch(1);
    private static int wanted;

    public static void main(String[] args) throws Exception {
        URI endpoint = URI.create(args[2]);
        String stream = args[3];
        wanted = Integer.parseInt(args[4]) * Integer.parseInt(args[5]);
        var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
        var kinesis = KinesisAsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1)
            .credentialsProvider(credentials)
            .httpClientBuilder(NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP2)
                .protocolNegotiation(ProtocolNegotiation.ASSUME_PROTOCOL).maxConcurrency(100))
            .build();
        var dynamo = DynamoDbAsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1)
            .credentialsProvider(credentials).build();
        var cloudwatch = CloudWatchAsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1)
            .credentialsProvider(credentials).build();
        String application = "reader-" + args[0];
        var configs = new ConfigsBuilder(
            new SingleStreamTracker(stream,
                InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
            application, kinesis, dynamo, cloudwatch, "worker", Processor::new);
        var retrieval = configs.retrievalConfig();
        retrieval.retrievalSpecificConfig(args[0].equals("fanout")
            ? new FanOutConfig(kinesis).streamName(stream).applicationName(application)
            : new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200));
        var leases = configs.leaseManagementConfig().failoverTimeMillis(5_000).shardSyncIntervalMillis(1_000);
        var scheduler = new Scheduler(configs.checkpointConfig(),
            configs.coordinatorConfig().parentShardPollIntervalMillis(500), leases,
            configs.lifecycleConfig(), configs.metricsConfig(), configs.processorConfig(), retrieval);
        Thread thread = new Thread(scheduler, "scheduler");
        thread.setDaemon(true);
        thread.start();
        boolean isComplete = done.await(240, TimeUnit.SECONDS);
        if (!isComplete) {
            System.err.println("saw " + seen.size() + " of " + wanted + " records");
        } else {
            scheduler.startGracefulShutdown().get(30, TimeUnit.SECONDS);
        }
        System.exit(isComplete ? 0 : 1);
    }

    private static final class Processor implements ShardRecordProcessor {
        @Override
        public void initialize(InitializationInput input) {
            System.err.println("begin " + input.shardId() + " at " + input.extendedSequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            StringBuilder lines = new StringBuilder();
            for (var record : input.records()) {
                String text = StandardCharsets.UTF_8.decode(record.data()).toString();
                if (!text.startsWith(record.partitionKey() + " ")) {
                    throw new IllegalStateException("wrong record: " + record.partitionKey() + ": " + text);
                }
                lines.append(text).append('\n');
                seen.add(text);
            }
            synchronized (Main.class) {
                System.out.print(lines);
                System.out.flush();
            }
            checkpoint(() -> input.checkpointer().checkpoint());
            if (seen.size() >= wanted) {
                done.countDown();
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            System.err.println("lease lost");
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        private interface Checkpoint {
            void run() throws Exception;
        }

        private static void checkpoint(Checkpoint checkpoint) {
            for (int attempt = 0;; attempt++) {
                try {
                    checkpoint.run();
                    return;
                } catch (Exception e) {
                    System.err.println("checkpoint: " + e);
                    if (attempt == 50) {
                        throw new IllegalStateException(e);
                    }
                    sleep();
                }
            }
        }

        private static void sleep() {
            try {
                Thread.sleep(200);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
