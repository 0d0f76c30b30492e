import java.math.BigInteger;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.model.BillingMode;
import software.amazon.awssdk.services.dynamodb.model.Tag;
import software.amazon.kinesis.common.DdbTableConfig;
import software.amazon.kinesis.common.HashKeyRangeForLease;
import software.amazon.kinesis.leases.Lease;
import software.amazon.kinesis.leases.UpdateField;
import software.amazon.kinesis.leases.dynamodb.DynamoDBLeaseRefresher;
import software.amazon.kinesis.leases.dynamodb.DynamoDBLeaseSerializer;
import software.amazon.kinesis.leases.dynamodb.TableCreatorCallback;
import software.amazon.kinesis.retrieval.kpl.ExtendedSequenceNumber;

/** The lease table of Kinesis Client Library 3: every call of DynamoDBLeaseRefresher. */
public final class Leases3 {
    private static int checks;

    private static void check(boolean holds, String what) {
        checks++;
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static Lease lease(int number) {
        Lease lease = new Lease();
        lease.leaseKey("shardId-" + String.format("%012d", number));
        lease.leaseCounter(0L);
        lease.checkpoint(ExtendedSequenceNumber.TRIM_HORIZON);
        lease.ownerSwitchesSinceCheckpoint(0L);
        lease.parentShardIds(number == 0 ? Set.of() : Set.of("shardId-000000000000"));
        lease.hashKeyRange(new HashKeyRangeForLease(BigInteger.valueOf(number), BigInteger.TWO.pow(128).subtract(BigInteger.ONE)));
        return lease;
    }

    public static void main(String[] args) throws Exception {
        DynamoDbAsyncClient client = DynamoDbAsyncClient.builder()
            .endpointOverride(URI.create(args[0])).region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"))).build();
        DdbTableConfig config = new DdbTableConfig();
        config.billingMode(BillingMode.PAY_PER_REQUEST);
        DynamoDBLeaseRefresher leases = new DynamoDBLeaseRefresher("leases-3", client, new DynamoDBLeaseSerializer(), true,
            TableCreatorCallback.NOOP_TABLE_CREATOR_CALLBACK, Duration.ofSeconds(10), config, true, false,
            List.of(Tag.builder().key("team").value("blue").build()));
        check(!leases.leaseTableExists(), "no table yet");
        leases.createLeaseTableIfNotExists();
        check(leases.waitUntilLeaseTableExists(1, 10), "the table is there");
        leases.createLeaseOwnerToLeaseKeyIndexIfNotExists();
        check(leases.waitUntilLeaseOwnerToLeaseKeyIndexExists(1, 10), "the index is there");
        check(leases.isLeaseOwnerToLeaseKeyIndexActive(), "the index is active");
        check(leases.isLeaseTableEmpty(), "it is empty");
        for (int i = 0; i < 40; i++) {
            check(leases.createLeaseIfNotExists(lease(i)), "created");
            check(!leases.createLeaseIfNotExists(lease(i)), "not twice");
        }
        check(leases.listLeases().size() == 40, "all are listed");
        check(leases.listLeasesParallely(Executors.newFixedThreadPool(4), 4).getKey().size() == 40, "in parallel too");
        Lease mine = leases.getLease(lease(7).leaseKey());
        check(mine.equals(lease(7)), "a lease comes back as it was: " + mine);
        Lease other = mine.copy();
        check(leases.takeLease(mine, "worker-1"), "taken");
        check(!leases.takeLease(other, "worker-2"), "one gets it");
        check(leases.renewLease(mine), "renewed");
        check(leases.listLeaseKeysForWorker("worker-1").equals(List.of(mine.leaseKey())), "by its owner");
        mine.checkpoint(new ExtendedSequenceNumber("49590338271490256608559692538361571095921575989136588898", 3L));
        mine.throughputKBps(12.5);
        check(leases.updateLease(mine), "updated");
        check(leases.getCheckpoint(mine.leaseKey()).equals(mine.checkpoint()), "the checkpoint is kept");
        mine.childShardIds(Set.of("shardId-000000000100", "shardId-000000000101"));
        leases.updateLeaseWithMetaInfo(mine, UpdateField.CHILD_SHARDS);
        check(leases.getLease(mine.leaseKey()).childShardIds().size() == 2, "children are kept");
        check(leases.initiateGracefulLeaseHandoff(mine, "worker-3"), "handed over");
        check(leases.assignLease(mine, "worker-3"), "assigned");
        check(leases.evictLease(mine), "evicted");
        check(leases.getLease(mine.leaseKey()).leaseOwner() == null, "nobody has it");
        check(leases.listLeaseKeysForWorker("worker-3").isEmpty(), "the index knows");
        leases.deleteLease(mine);
        check(leases.getLease(mine.leaseKey()) == null, "gone");
        Set<String> left = leases.listLeases().stream().map(Lease::leaseKey).collect(Collectors.toSet());
        check(left.size() == 39 && !left.contains(mine.leaseKey()), "the others stay");
        leases.deleteAll();
        check(leases.isLeaseTableEmpty(), "empty again");
        System.out.println("KCL 3: " + checks + " checks");
        System.exit(0);
    }
}
