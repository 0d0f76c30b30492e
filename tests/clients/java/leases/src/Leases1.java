import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDB;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDBClientBuilder;
import com.amazonaws.services.dynamodbv2.model.BillingMode;
import com.amazonaws.services.kinesis.clientlibrary.types.ExtendedSequenceNumber;
import com.amazonaws.services.kinesis.leases.impl.KinesisClientLease;
import com.amazonaws.services.kinesis.leases.impl.KinesisClientLeaseManager;
import java.util.Set;

/** The lease table of Kinesis Client Library 1, over SDK 1, which verifies x-amz-crc32. */
public final class Leases1 {
    private static int checks;

    private static void check(boolean holds, String what) {
        checks++;
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static KinesisClientLease lease(int number) {
        KinesisClientLease lease = new KinesisClientLease();
        lease.setLeaseKey("shardId-" + String.format("%012d", number));
        lease.setLeaseCounter(0L);
        lease.setCheckpoint(ExtendedSequenceNumber.LATEST);
        lease.setOwnerSwitchesSinceCheckpoint(0L);
        lease.setParentShardIds(Set.of("parent-1", "parent-2"));
        return lease;
    }

    public static void main(String[] args) throws Exception {
        AmazonDynamoDB client = AmazonDynamoDBClientBuilder.standard()
            .withEndpointConfiguration(new EndpointConfiguration(args[0], "us-east-1"))
            .withCredentials(new AWSStaticCredentialsProvider(new BasicAWSCredentials("test", "test"))).build();
        KinesisClientLeaseManager leases =
            new KinesisClientLeaseManager("leases-1", client, true, BillingMode.PAY_PER_REQUEST);
        check(!leases.leaseTableExists(), "no table yet");
        check(leases.createLeaseTableIfNotExists(10L, 10L), "created");
        check(!leases.createLeaseTableIfNotExists(10L, 10L), "not twice");
        check(leases.waitUntilLeaseTableExists(1, 10), "the table is there");
        check(leases.isLeaseTableEmpty(), "it is empty");
        for (int i = 0; i < 40; i++) {
            check(leases.createLeaseIfNotExists(lease(i)), "created");
            check(!leases.createLeaseIfNotExists(lease(i)), "not twice");
        }
        check(leases.listLeases().size() == 40, "all are listed");
        KinesisClientLease mine = leases.getLease(lease(7).getLeaseKey());
        check(mine.equals(lease(7)), "a lease comes back as it was: " + mine);
        KinesisClientLease other = mine.copy();
        check(leases.takeLease(mine, "worker-1"), "taken");
        check(!leases.takeLease(other, "worker-2"), "one gets it");
        check(leases.renewLease(mine), "renewed");
        mine.setCheckpoint(new ExtendedSequenceNumber("49590338271490256608559692538361571095921575989136588898", 3L));
        check(leases.updateLease(mine), "updated");
        check(leases.getCheckpoint(mine.getLeaseKey()).equals(mine.getCheckpoint()), "the checkpoint is kept");
        check(leases.evictLease(mine), "evicted");
        check(leases.getLease(mine.getLeaseKey()).getLeaseOwner() == null, "nobody has it");
        leases.deleteLease(mine);
        check(leases.getLease(mine.getLeaseKey()) == null, "gone");
        leases.deleteAll();
        check(leases.isLeaseTableEmpty(), "empty again");
        System.out.println("KCL 1: " + checks + " checks");
        System.exit(0);
    }
}
