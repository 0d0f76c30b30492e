/*
 * aws/kinesis/kinesis_ops.c: the 39 operations and the members of their requests,
 * as the service model gives them.
 */
#include "aws/kinesis/kinesis_int.h"

/* --- patterns ------------------------------------------------------------------------------- */

static bool is_digit(u8 c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(str s)
{
    for (isize i = 0; i < s.len; i++) {
        u8 c = s.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !is_digit(c) && c != '_' && c != '.' && c != '-') {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_number(str s, isize digits_max)
{
    for (isize i = 0; i < s.len; i++) {
        if (!is_digit(s.data[i])) {
            return false;
        }
    }
    return s.len > 0 && s.len <= digits_max && (s.data[0] != '0' || s.len == 1);
}

static bool is_sequence(str s)
{
    return is_number(s, 129);
}

static bool is_hash_key(str s)
{
    return is_number(s, 39);
}

/* 20 letters and digits, a hyphen and three more. */
static bool is_stream_id(str s)
{
    enum { HYPHEN = 20, CHARACTERS = 24 };
    for (isize i = 0; i < s.len; i++) {
        u8 c = s.data[i];
        if (i == HYPHEN ? c != '-' : !is_digit(c) && (c < 'a' || c > 'z')) {
            return false;
        }
    }
    return s.len == CHARACTERS;
}

/* arn:aws*:kinesis:REGION:12 digits:stream/NAME, the last part without blanks. */
bool kinesis__is_arn(str s)
{
    bool found = true;
    str rest = s;
    str arn = str_split(&rest, ':', &found);
    str partition = str_split(&rest, ':', &found);
    str service = str_split(&rest, ':', &found);
    (void)str_split(&rest, ':', &found);
    str account = str_split(&rest, ':', &found);
    if (!found || !str_eq(arn, STR("arn")) || !str_starts(partition, STR("aws")) ||
        !str_eq(service, STR("kinesis")) || account.len != 12 ||
        !str_starts(rest, STR("stream/"))) {
        return false;
    }
    for (isize i = 0; i < account.len; i++) {
        if (!is_digit(account.data[i])) {
            return false;
        }
    }
    for (isize i = 0; i < rest.len; i++) {
        if (rest.data[i] <= ' ') {
            return false;
        }
    }
    return rest.len > STR("stream/").len;
}

/* A stream's ARN, then /consumer/NAME:SECONDS. */
static bool is_consumer_arn(str s)
{
    isize at = str_find(s, STR("/consumer/"), 0);
    if (at < 0 || !kinesis__is_arn(s)) {
        return false;
    }
    bool found = false;
    str rest = str_slice(s, at + STR("/consumer/").len, s.len);
    str name = str_split(&rest, ':', &found);
    bool is_seconds = found && rest.len > 0 && rest.len <= 18;
    for (isize i = 0; i < rest.len; i++) {
        is_seconds = is_seconds && is_digit(rest.data[i]);
    }
    return is_seconds && is_name(name);
}

static const struct pattern name_pattern = {"[a-zA-Z0-9_.-]+", is_name};
static const struct pattern sequence_pattern = {"0|([1-9]\\d{0,128})", is_sequence};
static const struct pattern hash_pattern = {"0|([1-9]\\d{0,38})", is_hash_key};
static const struct pattern arn_pattern = {"arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+",
                                           kinesis__is_arn};
static const struct pattern stream_id_pattern = {"[a-z0-9]{20}-[a-z0-9]{3}", is_stream_id};
static const struct pattern resource_pattern = {"arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+",
                                                kinesis__is_arn};

static const struct pattern consumer_pattern = {
    "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/"
    "[a-zA-Z0-9_.-]+:[0-9]+",
    is_consumer_arn};

static const char *const mode_values[] = {"PROVISIONED", "ON_DEMAND", NULL};
static const char *const status_values[] = {"ENABLED", "DISABLED", NULL};
static const char *const encryption_values[] = {"NONE", "KMS", NULL};
static const char *const metric_values[] = {"IncomingBytes",
                                            "IncomingRecords",
                                            "OutgoingBytes",
                                            "OutgoingRecords",
                                            "WriteProvisionedThroughputExceeded",
                                            "ReadProvisionedThroughputExceeded",
                                            "IteratorAgeMilliseconds",
                                            "ALL",
                                            NULL};
static const char *const scaling_values[] = {"UNIFORM_SCALING", NULL};
static const char *const filter_values[] = {"AFTER_SHARD_ID",
                                            "AT_TRIM_HORIZON",
                                            "FROM_TRIM_HORIZON",
                                            "AT_LATEST",
                                            "AT_TIMESTAMP",
                                            "FROM_TIMESTAMP",
                                            NULL};
static const char *const iterator_values[] = {
    /* In the order of AWS's message. */
    "AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON", NULL};

/* --- members -------------------------------------------------------------------------------- */

#define TEXT(name, arg, required, min, max, pattern)                      \
    {                                                                     \
        name, arg, MEMBER_STRING, required, min, max, pattern, NULL, NULL \
    }
#define NAME(name, arg, required) TEXT(name, arg, required, 1, 128, &name_pattern)
#define ENUM(name, arg, required, values)                                      \
    {                                                                          \
        name, arg, MEMBER_STRING, required, NO_MIN, NO_MAX, NULL, values, NULL \
    }
#define NUMBER(name, arg, required, min, max)                           \
    {                                                                   \
        name, arg, MEMBER_INTEGER, required, min, max, NULL, NULL, NULL \
    }
#define FLAG(name, arg)                                                    \
    {                                                                      \
        name, arg, MEMBER_BOOLEAN, false, NO_MIN, NO_MAX, NULL, NULL, NULL \
    }
#define TIME(name, arg)                                                      \
    {                                                                        \
        name, arg, MEMBER_TIMESTAMP, false, NO_MIN, NO_MAX, NULL, NULL, NULL \
    }
#define STRUCT(name, arg, members)                                           \
    {                                                                        \
        name, arg, MEMBER_STRUCT, false, NO_MIN, NO_MAX, NULL, NULL, members \
    }
#define LIST(name, arg, kind, required, max, items)          \
    {                                                        \
        name, arg, kind, required, 1, max, NULL, NULL, items \
    }
#define END                                                          \
    {                                                                \
        NULL, ARG_NONE, MEMBER_STRING, false, 0, 0, NULL, NULL, NULL \
    }

#define STREAM_NAME NAME("StreamName", ARG_STREAM_NAME, false)
#define STREAM_ARN  TEXT("StreamARN", ARG_STREAM_ARN, false, 1, 2048, &arn_pattern)
/* Reserved by AWS: its form is checked, its value means nothing. */
#define STREAM_ID    TEXT("StreamId", ARG_STREAM_ID, false, 1, 24, &stream_id_pattern)
#define RESOURCE_ARN TEXT("ResourceARN", ARG_RESOURCE_ARN, true, 1, 2048, &resource_pattern)
#define CONSUMER_ARN(required) \
    TEXT("ConsumerARN", ARG_CONSUMER_ARN, required, 1, 2048, &consumer_pattern)
#define PARTITION_KEY TEXT("PartitionKey", ARG_PARTITION_KEY, true, 1, 256, NULL)
#define HASH_KEY      TEXT("ExplicitHashKey", ARG_HASH_KEY, false, NO_MIN, NO_MAX, &hash_pattern)
#define DATA                                                               \
    {                                                                      \
        "Data", ARG_DATA, MEMBER_BLOB, true, 0, 10485760, NULL, NULL, NULL \
    }

static const struct member tag_members[] = {
    TEXT("key", ARG_NONE, true, 1, 128, NULL),
    TEXT("value", ARG_NONE, true, 0, 256, NULL),
    END,
};
static const struct member mode_members[] = {
    ENUM("StreamMode", ARG_MODE, true, mode_values),
    END,
};
static const struct member filter_members[] = {
    ENUM("Type", ARG_FILTER_TYPE, true, filter_values),
    NAME("ShardId", ARG_FILTER_SHARD, false),
    TIME("Timestamp", ARG_TIMESTAMP),
    END,
};
const struct member kinesis__record_members[] = {DATA, HASH_KEY, PARTITION_KEY, END};

static const struct member no_members[] = {END};
static const struct member stream_members[] = {STREAM_NAME, STREAM_ARN, STREAM_ID, END};
static const struct member create_members[] = {
    NAME("StreamName", ARG_STREAM_NAME, true),
    NUMBER("ShardCount", ARG_SHARD_COUNT, false, 1, NO_MAX),
    STRUCT("StreamModeDetails", ARG_MODE_DETAILS, mode_members),
    LIST("Tags", ARG_TAGS, MEMBER_MAP, false, 200, tag_members),
    NUMBER("WarmThroughputMiBps", ARG_WARM_THROUGHPUT, false, 0, NO_MAX),
    NUMBER("MaxRecordSizeInKiB", ARG_RECORD_KIB, false, 1024, 10240),
    END,
};
static const struct member delete_members[] = {
    STREAM_NAME, FLAG("EnforceConsumerDeletion", ARG_ENFORCE), STREAM_ARN, STREAM_ID, END,
};
static const struct member describe_members[] = {
    STREAM_NAME,
    NUMBER("Limit", ARG_LIMIT, false, 1, 10000),
    NAME("ExclusiveStartShardId", ARG_START_SHARD, false),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member list_streams_members[] = {
    NUMBER("Limit", ARG_LIMIT, false, 1, 10000),
    NAME("ExclusiveStartStreamName", ARG_START_STREAM, false),
    TEXT("NextToken", ARG_NEXT_TOKEN, false, 1, 1048576, NULL),
    END,
};
static const struct member list_shards_members[] = {
    STREAM_NAME,
    TEXT("NextToken", ARG_NEXT_TOKEN, false, 1, 1048576, NULL),
    NAME("ExclusiveStartShardId", ARG_START_SHARD, false),
    NUMBER("MaxResults", ARG_LIMIT, false, 1, 10000),
    TIME("StreamCreationTimestamp", ARG_CREATED),
    STRUCT("ShardFilter", ARG_FILTER, filter_members),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member put_record_members[] = {
    STREAM_NAME,
    DATA,
    PARTITION_KEY,
    HASH_KEY,
    TEXT("SequenceNumberForOrdering", ARG_ORDERING, false, NO_MIN, NO_MAX, &sequence_pattern),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member put_records_members[] = {
    LIST("Records", ARG_RECORDS, MEMBER_RECORDS, true, KINESIS_PUT_RECORDS_MAX,
         kinesis__record_members),
    STREAM_NAME,
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member iterator_members[] = {
    STREAM_NAME,
    NAME("ShardId", ARG_SHARD_ID, true),
    ENUM("ShardIteratorType", ARG_ITERATOR_TYPE, true, iterator_values),
    TEXT("StartingSequenceNumber", ARG_SEQUENCE, false, NO_MIN, NO_MAX, &sequence_pattern),
    TIME("Timestamp", ARG_TIMESTAMP),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member get_records_members[] = {
    TEXT("ShardIterator", ARG_ITERATOR, true, 1, KINESIS_TOKEN_BYTES_MAX, NULL),
    NUMBER("Limit", ARG_LIMIT, false, 1, KINESIS_GET_RECORDS_MAX),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member add_tags_members[] = {
    STREAM_NAME, LIST("Tags", ARG_TAGS, MEMBER_MAP, true, 200, tag_members), STREAM_ARN, STREAM_ID,
    END,
};
static const struct member remove_tags_members[] = {
    STREAM_NAME, LIST("TagKeys", ARG_TAG_KEYS, MEMBER_STRINGS, true, 50, tag_members),
    STREAM_ARN,  STREAM_ID,
    END,
};
static const struct member list_tags_members[] = {
    STREAM_NAME,
    TEXT("ExclusiveStartTagKey", ARG_START_TAG, false, 1, 128, NULL),
    NUMBER("Limit", ARG_LIMIT, false, 1, 50),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member tag_resource_members[] = {
    LIST("Tags", ARG_TAGS, MEMBER_MAP, true, 200, tag_members),
    RESOURCE_ARN,
    STREAM_ID,
    END,
};
static const struct member untag_resource_members[] = {
    LIST("TagKeys", ARG_TAG_KEYS, MEMBER_STRINGS, true, 50, tag_members),
    RESOURCE_ARN,
    STREAM_ID,
    END,
};
static const struct member resource_members[] = {RESOURCE_ARN, STREAM_ID, END};
static const struct member retention_members[] = {
    STREAM_NAME, NUMBER("RetentionPeriodHours", ARG_HOURS, true, NO_MIN, NO_MAX),
    STREAM_ARN,  STREAM_ID,
    END,
};
static const struct member split_members[] = {
    STREAM_NAME,
    NAME("ShardToSplit", ARG_SHARD_ID, true),
    TEXT("NewStartingHashKey", ARG_HASH_KEY, true, NO_MIN, NO_MAX, &hash_pattern),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member merge_members[] = {
    STREAM_NAME,
    NAME("ShardToMerge", ARG_SHARD_ID, true),
    NAME("AdjacentShardToMerge", ARG_ADJACENT_SHARD, true),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member scale_members[] = {
    STREAM_NAME,
    NUMBER("TargetShardCount", ARG_SHARD_COUNT, true, 1, NO_MAX),
    ENUM("ScalingType", ARG_SCALING_TYPE, true, scaling_values),
    STREAM_ARN,
    STREAM_ID,
    END,
};

static const struct member update_mode_members[] = {
    TEXT("StreamARN", ARG_STREAM_ARN, true, 1, 2048, &arn_pattern),
    {"StreamModeDetails", ARG_MODE_DETAILS, MEMBER_STRUCT, true, NO_MIN, NO_MAX, NULL, NULL,
     mode_members},
    NUMBER("WarmThroughputMiBps", ARG_WARM_THROUGHPUT, false, 0, NO_MAX),
    STREAM_ID,
    END,
};
static const struct member status_members[] = {
    ENUM("Status", ARG_STATUS, true, status_values),
    END,
};
static const struct member account_members[] = {
    {"MinimumThroughputBillingCommitment", ARG_COMMITMENT, MEMBER_STRUCT, true, NO_MIN, NO_MAX,
     NULL, NULL, status_members},
    END,
};
static const struct member warm_members[] = {
    STREAM_ARN, STREAM_NAME, NUMBER("WarmThroughputMiBps", ARG_WARM_THROUGHPUT, true, 0, NO_MAX),
    STREAM_ID,  END,
};
static const struct member encryption_members[] = {
    STREAM_NAME,
    ENUM("EncryptionType", ARG_ENCRYPTION, true, encryption_values),
    TEXT("KeyId", ARG_KEY_ID, true, 1, 2048, NULL),
    STREAM_ARN,
    STREAM_ID,
    END,
};
static const struct member metric_members[] = {
    ENUM("member", ARG_NONE, true, metric_values),
    END,
};
static const struct member monitoring_members[] = {
    STREAM_NAME, LIST("ShardLevelMetrics", ARG_METRICS, MEMBER_STRINGS, true, 7, metric_members),
    STREAM_ARN,  STREAM_ID,
    END,
};
static const struct member record_size_members[] = {
    STREAM_ARN,
    NUMBER("MaxRecordSizeInKiB", ARG_RECORD_KIB, true, 1024, 10240),
    STREAM_ID,
    END,
};
static const struct member policy_members[] = {
    RESOURCE_ARN,
    TEXT("Policy", ARG_POLICY, true, NO_MIN, NO_MAX, NULL),
    STREAM_ID,
    END,
};
static const struct member register_members[] = {
    TEXT("StreamARN", ARG_STREAM_ARN, true, 1, 2048, &arn_pattern),
    NAME("ConsumerName", ARG_CONSUMER_NAME, true),
    LIST("Tags", ARG_TAGS, MEMBER_MAP, false, 200, tag_members),
    STREAM_ID,
    END,
};
static const struct member consumer_members[] = {
    STREAM_ARN, NAME("ConsumerName", ARG_CONSUMER_NAME, false), CONSUMER_ARN(false), STREAM_ID, END,
};
static const struct member position_members[] = {
    ENUM("Type", ARG_ITERATOR_TYPE, true, iterator_values),
    TEXT("SequenceNumber", ARG_SEQUENCE, false, NO_MIN, NO_MAX, &sequence_pattern),
    TIME("Timestamp", ARG_TIMESTAMP),
    END,
};
static const struct member subscribe_members[] = {
    CONSUMER_ARN(true),
    NAME("ShardId", ARG_SHARD_ID, true),
    {"StartingPosition", ARG_POSITION, MEMBER_STRUCT, true, NO_MIN, NO_MAX, NULL, NULL,
     position_members},
    STREAM_ID,
    END,
};
static const struct member list_consumers_members[] = {
    TEXT("StreamARN", ARG_STREAM_ARN, true, 1, 2048, &arn_pattern),
    TEXT("NextToken", ARG_NEXT_TOKEN, false, 1, 1048576, NULL),
    NUMBER("MaxResults", ARG_LIMIT, false, 1, 10000),
    TIME("StreamCreationTimestamp", ARG_CREATED),
    STREAM_ID,
    END,
};

/* --- operations ----------------------------------------------------------------------------- */

static const struct operation operations[] = {
    {"AddTagsToStream", add_tags_members, kinesis__add_tags, NEEDS_CREATED, CHANGES_NOTHING, 5,
     RATE_OF_ACCOUNT},
    {"CreateStream", create_members, kinesis__create_stream, NEEDS_NOTHING, CHANGES_NOTHING, 5,
     RATE_OF_ACCOUNT},
    {"DecreaseStreamRetentionPeriod", retention_members, kinesis__decrease_retention, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"DeleteResourcePolicy", resource_members, kinesis__delete_policy, NEEDS_CREATED,
     CHANGES_NOTHING, 0, RATE_OF_ACCOUNT},
    {"DeleteStream", delete_members, kinesis__delete_stream, NEEDS_CREATED, DELETES_STREAM, 5,
     RATE_OF_ACCOUNT},
    {"DeregisterStreamConsumer", consumer_members, kinesis__deregister_consumer, NEEDS_USABLE,
     DELETES_CONSUMER, 5, RATE_OF_STREAM},
    {"DescribeAccountSettings", no_members, kinesis__describe_account, NEEDS_NOTHING,
     CHANGES_NOTHING, 5, RATE_OF_ACCOUNT},
    {"DescribeLimits", no_members, kinesis__describe_limits, NEEDS_NOTHING, CHANGES_NOTHING, 1,
     RATE_OF_ACCOUNT},
    {"DescribeStream", describe_members, kinesis__describe_stream, NEEDS_NOTHING, CHANGES_NOTHING,
     10, RATE_OF_ACCOUNT},
    {"DescribeStreamConsumer", consumer_members, kinesis__describe_consumer, NEEDS_NOTHING,
     CHANGES_NOTHING, 20, RATE_OF_STREAM},
    {"DescribeStreamSummary", stream_members, kinesis__describe_stream_summary, NEEDS_NOTHING,
     CHANGES_NOTHING, 20, RATE_OF_ACCOUNT},
    {"DisableEnhancedMonitoring", monitoring_members, kinesis__disable_monitoring, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"EnableEnhancedMonitoring", monitoring_members, kinesis__enable_monitoring, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"GetRecords", get_records_members, kinesis__get_records, NEEDS_NOTHING, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"GetResourcePolicy", resource_members, kinesis__get_policy, NEEDS_NOTHING, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"GetShardIterator", iterator_members, kinesis__get_shard_iterator, NEEDS_USABLE,
     CHANGES_NOTHING, 0, RATE_OF_ACCOUNT},
    {"IncreaseStreamRetentionPeriod", retention_members, kinesis__increase_retention, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"ListShards", list_shards_members, kinesis__list_shards, NEEDS_CREATED, CHANGES_NOTHING, 1000,
     RATE_OF_STREAM},
    {"ListStreamConsumers", list_consumers_members, kinesis__list_consumers, NEEDS_NOTHING,
     CHANGES_NOTHING, 5, RATE_OF_STREAM},
    {"ListStreams", list_streams_members, kinesis__list_streams, NEEDS_NOTHING, CHANGES_NOTHING, 5,
     RATE_OF_ACCOUNT},
    {"ListTagsForResource", resource_members, kinesis__list_resource_tags, NEEDS_NOTHING,
     CHANGES_NOTHING, 0, RATE_OF_ACCOUNT},
    {"ListTagsForStream", list_tags_members, kinesis__list_tags, NEEDS_NOTHING, CHANGES_NOTHING, 5,
     RATE_OF_ACCOUNT},
    {"MergeShards", merge_members, kinesis__merge_shards, NEEDS_ACTIVE, UPDATES_STREAM, 5,
     RATE_OF_ACCOUNT},
    {"PutRecord", put_record_members, kinesis__put_record, NEEDS_USABLE, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"PutRecords", put_records_members, kinesis__put_records, NEEDS_USABLE, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"PutResourcePolicy", policy_members, kinesis__put_policy, NEEDS_CREATED, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"RegisterStreamConsumer", register_members, kinesis__register_consumer, NEEDS_CREATED,
     CHANGES_NOTHING, 5, RATE_OF_ACCOUNT},
    {"RemoveTagsFromStream", remove_tags_members, kinesis__remove_tags, NEEDS_CREATED,
     CHANGES_NOTHING, 5, RATE_OF_ACCOUNT},
    {"SplitShard", split_members, kinesis__split_shard, NEEDS_ACTIVE, UPDATES_STREAM, 5,
     RATE_OF_ACCOUNT},
    {"StartStreamEncryption", encryption_members, kinesis__start_encryption, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"StopStreamEncryption", encryption_members, kinesis__stop_encryption, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"SubscribeToShard", subscribe_members, kinesis__subscribe, NEEDS_USABLE, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"TagResource", tag_resource_members, kinesis__add_tags, NEEDS_CREATED, CHANGES_NOTHING, 0,
     RATE_OF_ACCOUNT},
    {"UntagResource", untag_resource_members, kinesis__remove_tags, NEEDS_CREATED, CHANGES_NOTHING,
     0, RATE_OF_ACCOUNT},
    {"UpdateAccountSettings", account_members, kinesis__update_account, NEEDS_NOTHING,
     CHANGES_NOTHING, 5, RATE_OF_ACCOUNT},
    {"UpdateMaxRecordSize", record_size_members, kinesis__update_record_size, NEEDS_ACTIVE,
     UPDATES_STREAM, 0, RATE_OF_ACCOUNT},
    {"UpdateShardCount", scale_members, kinesis__update_shard_count, NEEDS_ACTIVE, UPDATES_STREAM,
     10, RATE_OF_ACCOUNT},
    {"UpdateStreamMode", update_mode_members, kinesis__update_mode, NEEDS_ACTIVE, UPDATES_STREAM, 0,
     RATE_OF_ACCOUNT},
    {"UpdateStreamWarmThroughput", warm_members, kinesis__update_warm, NEEDS_ACTIVE, UPDATES_STREAM,
     5, RATE_OF_ACCOUNT},
};

_Static_assert(COUNT_OF(operations) == KINESIS_OPERATIONS, "of the service model");

const struct operation *kinesis__find_operation(str name)
{
    for (isize i = 0; name.len > 0 && i < COUNT_OF(operations); i++) {
        const char *known = operations[i].name;
        if ((u8)known[0] == name.data[0] && str_eq(str_of(known), name)) {
            return &operations[i];
        }
    }
    return NULL;
}

int kinesis__operation_index(const struct operation *operation)
{
    return (int)(operation - operations);
}

const char *kinesis__near_operation(str name)
{
    enum { NEAR = 4 };
    const char *near = NULL;
    int least = NEAR;
    for (isize i = 0; i < COUNT_OF(operations); i++) {
        int distance = str_distance(name, str_of(operations[i].name));
        if (distance < least) {
            least = distance;
            near = operations[i].name;
        }
    }
    return near;
}
