/*
 * aws/kinesis/kinesis_int.h: shared by the files of this service only.
 *
 * The way of a request: kinesis.c collects the body and checks its form;
 * kinesis_validate.c turns it into arguments by the tables of kinesis_ops.c; a
 * handler answers at once, or submits to the log and answers when that is durable.
 */
#ifndef AWS_KINESIS_KINESIS_INT_H
#define AWS_KINESIS_KINESIS_INT_H

#include "aws/common/service.h"
#include "aws/kinesis/kinesis.h"
#include "aws/kinesis/kinesis_answer.h"
#include "aws/kinesis/kinesis_meters.h"
#include "codec/json.h"
#include "os/thread.h"

enum {
    KINESIS_MAGIC = 0x4b494e53,
    KINESIS_BODY_BYTES_MAX = 16 << 20,     /* Of a request: 10 MiB in base64, keys, JSON. */
    KINESIS_PUT_RECORDS_MAX = 500,         /* Records of one PutRecords. */
    KINESIS_PUT_BYTES_MAX = 10 << 20,      /* Data and keys of one PutRecords. */
    KINESIS_GET_BYTES_MAX = 10 << 20,      /* Data and keys of one GetRecords. */
    KINESIS_GET_RECORDS_MAX = 10000,       /* Records of one GetRecords; also the default. */
    KINESIS_TOKEN_MS = 300000,             /* Life of iterators and NextTokens. */
    KINESIS_TOKEN_BYTES_MAX = 512,         /* In base64. */
    KINESIS_CLOCK_SKEW_MS = 5000,          /* Of clients whose clock is ahead. */
    KINESIS_ACCOUNT_SHARDS_MAX = 100000,   /* Open shards of one account and region. */
    KINESIS_ACCOUNT_ON_DEMAND_MAX = 10000, /* On-demand streams of one account and region. */
    KINESIS_LIST_STREAMS_MAX = 100,        /* These are the defaults too. */
    KINESIS_DESCRIBE_SHARDS_MAX = 100,
    KINESIS_LIST_SHARDS_MAX = 1000,
    KINESIS_ARENA_BYTES_MAX = 64 << 20, /* Of the values of one request. */
    KINESIS_STREAMS_CREATING_MAX = 5,   /* Of one account and region. */
    KINESIS_CONSUMERS_MAX = 20,         /* Of one stream... */
    KINESIS_CONSUMERS_WARM_MAX = 50,    /* ...on demand, of an account with the commitment. */
    KINESIS_CONSUMERS_CREATING_MAX = 5, /* Of those. */
    KINESIS_LIST_CONSUMERS_MAX = 100,
    KINESIS_READERS_MAX = 8, /* Threads that read old records from the disk. */
};

struct subscriptions; /* kinesis_subscribe.c */
struct limits;        /* kinesis_limits.c */
struct faults;        /* kinesis_faults.c */
struct transitions;   /* kinesis_status.c */

struct kinesis {
    u32 magic;
    struct os *os;
    struct streams *streams;
    struct os_pool *readers;
    struct subscriptions *subscriptions;
    struct limits *limits; /* NULL: none are enforced. */
    struct faults *faults; /* NULL: none are made. */
    struct meters *meters;
    struct transitions *transitions;
    u8 secret[STREAM_SECRET_BYTES];
    u32 token_count; /* Atomic; makes each token different. */
};

/* Every member that some request has, after validation. */
enum arg {
    ARG_STREAM_NAME,
    ARG_STREAM_ARN,
    ARG_STREAM_ID,
    ARG_RESOURCE_ARN,
    ARG_CONSUMER_ARN,
    ARG_CONSUMER_NAME,
    ARG_SHARD_COUNT,
    ARG_MODE_DETAILS,
    ARG_MODE,
    ARG_TAGS,
    ARG_TAG_KEYS,
    ARG_RECORD_KIB,
    ARG_WARM_THROUGHPUT,
    ARG_COMMITMENT,
    ARG_STATUS,
    ARG_ENFORCE,
    ARG_LIMIT,
    ARG_START_SHARD,
    ARG_START_STREAM,
    ARG_START_TAG,
    ARG_NEXT_TOKEN,
    ARG_CREATED,
    ARG_FILTER,
    ARG_FILTER_TYPE,
    ARG_FILTER_SHARD,
    ARG_TIMESTAMP,
    ARG_DATA,
    ARG_PARTITION_KEY,
    ARG_HASH_KEY,
    ARG_ORDERING,
    ARG_RECORDS,
    ARG_SHARD_ID,
    ARG_POSITION,
    ARG_ITERATOR_TYPE,
    ARG_SEQUENCE,
    ARG_ITERATOR,
    ARG_HOURS,
    ARG_ADJACENT_SHARD,
    ARG_SCALING_TYPE,
    ARG_ENCRYPTION,
    ARG_KEY_ID,
    ARG_METRICS,
    ARG_POLICY,
    ARG_COUNT,
    ARG_NONE = -1,
};

struct put_entry {
    str data; /* base64; of CBOR the bytes. */
    str key;
    str hash;                         /* Decimal; empty when not given. */
    bool has_data, has_key, has_hash; /* Of a document: told apart from empty. */
};

struct pair {
    str key, value;
};

struct arg_value {
    bool is_set;
    i64 number;  /* Integers, booleans; timestamps in milliseconds. */
    str text;    /* Strings, blobs (base64; of CBOR the bytes), enums. */
    isize count; /* Of a list or map. */
    struct put_entry *entries;
    struct pair *pairs; /* Of a map; of a list of strings the keys only. */
};

enum member_kind {
    MEMBER_STRING,
    MEMBER_INTEGER,
    MEMBER_BOOLEAN,
    MEMBER_TIMESTAMP,
    MEMBER_BLOB,
    MEMBER_STRUCT,
    MEMBER_STRINGS, /* List of strings. */
    MEMBER_MAP,     /* String to string. */
    MEMBER_RECORDS, /* List of PutRecordsRequestEntry. */
};

enum { NO_MIN = INT32_MIN, NO_MAX = INT32_MAX };

struct pattern {
    const char *text; /* As the service model writes it. */
    bool (*matches)(str s);
};

struct member {
    const char *name;
    enum arg arg;
    enum member_kind kind;
    bool is_required;
    i32 min, max; /* Of the length, or of the value of an integer. */
    const struct pattern *pattern;
    const char *const *values;    /* Of an enum, NULL-terminated. */
    const struct member *members; /* Of a struct or record, ended by a NULL name; of a list or map
                                     the rules for its items: key, then value. */
};

struct records_answer;

/* What GetRecords, GetShardIterator and SubscribeToShard read. */
struct read_job {
    u32 shard;
    u64 from_no;
    i32 rows_max;
    i64 at_ms;     /* Of an AT_TIMESTAMP search; then rows_max is 0. */
    u64 behind_no; /* After ERR_CORRUPT of a read: first number behind the damage. */
    struct records_answer *answer; /* A large one, kinesis_records.c; NULL: in call->out. */
};

/* Why a record of a put is not stored. */
enum put_refusal { PUT_NOT_REFUSED, PUT_THROTTLED, PUT_FAILED };
struct refusal {
    enum put_refusal kind;
    u32 shard;
};

struct kinesis_call;
struct http_pieces;
typedef void (*operation_fn)(struct kinesis_call *call);

/* Of the stream that the request names. */
enum operation_needs {
    NEEDS_NOTHING,
    NEEDS_USABLE,  /* ACTIVE or UPDATING; else there is no such stream. */
    NEEDS_CREATED, /* The same; else it is in use. */
    NEEDS_ACTIVE,  /* Else it is in use. */
};
enum rate_scope { RATE_OF_ACCOUNT, RATE_OF_STREAM };
enum operation_effect { CHANGES_NOTHING, UPDATES_STREAM, DELETES_STREAM, DELETES_CONSUMER };

struct operation {
    const char *name;
    const struct member *members; /* Ended by a NULL name. */
    operation_fn run;             /* LOOP */
    enum operation_needs needs;
    enum operation_effect effect;
    i32 per_second; /* Calls that AWS's service model allows; 0: it names no limit. */
    enum rate_scope scope;
};

/* One request; lives in the exchange's arena. */
struct kinesis_call {
    struct kinesis *service;
    struct aws_request *request;
    struct http_exchange *x;
    struct arena *arena;
    const struct operation *operation;
    str type;               /* Content-Type, without parameters. */
    struct arg_value *args; /* ARG_COUNT of them, once the body is validated. */
    struct stream *stream;  /* Referenced until the answer; NULL while none is found. */
    /* The consumer that is meant; its name is empty when it is the stream itself. */
    struct stream_consumer consumer;
    bool is_consumer_deleting;
    err result;        /* Of what was submitted. */
    struct answer out; /* In the form of the request. */

    struct log_batch *batch;    /* Of a put; owned. */
    u32 *shards;                /* Shard of each of its records. */
    isize put_count, put_bytes; /* Of data and partition keys. */
    struct refusal *refused;    /* Of each of the request; NULL: none can be. */
    bool has_record_faults;
    isize request_count;
    struct read_job *read; /* Of GetRecords. */
};

const struct operation *kinesis__find_operation(str name);
/* Its place, 0 to KINESIS_OPERATIONS - 1. */
int kinesis__operation_index(const struct operation *operation);
/* The name that was probably meant; NULL when none is near. */
const char *kinesis__near_operation(str name);
extern const struct member kinesis__record_members[];
/* Of a stream, or of one of its consumers. */
bool kinesis__is_arn(str s);

/* Bytes of a blob of this request; -1 when it cannot be base64. */
isize kinesis__blob_bytes(const struct kinesis_call *call, str blob);
/* Parses and validates; answers and returns false when that fails. */
bool kinesis__validate(struct kinesis_call *call, str body);
/* The constraints on call->args, when their types are right; the same. */
bool kinesis__check_constraints(struct kinesis_call *call);
/* At most so many bytes of it, and never half a character. */
str kinesis__shorten(str value, isize bytes_max);

/* --- kinesis_wire.c: answers; each ends the call ------------------------------------------- */

/* What stands in call->out. */
void kinesis__respond(struct kinesis_call *call);
void kinesis__respond_void(struct kinesis_call *call);
/* LOOP. What the pieces give; the stream stays with the call until they are over. */
void kinesis__respond_pieces(struct kinesis_call *call, const struct http_pieces *pieces);
/* What is held for the answer goes. */
void kinesis__let_go(struct kinesis_call *call);
/* What is no call of this API gets AWS's XML, without a content type. */
void kinesis__refuse_xml(struct kinesis_call *call, int status, str text);
/* Of answers, by the form of the request. */
str kinesis__content_type(const struct kinesis_call *call);
/* Starts an answer of events; the stream stays with the call. */
void kinesis__respond_events(struct kinesis_call *call);
void kinesis__fail(struct kinesis_call *call, const char *type, const char *format, ...)
    PRINTF(3, 4);
void kinesis__fail_status(struct kinesis_call *call, int status, const char *type,
                          const char *format, ...) PRINTF(4, 5);
/* For a message in which NUL may stand. */
void kinesis__fail_text(struct kinesis_call *call, const char *type, str message);
/* SerializationException, whose text stands in `Message`; NULL for none. */
void kinesis__fail_form(struct kinesis_call *call, const char *message);
/* The log refused: the disk is full, or leat is stopping. */
void kinesis__fail_commit(struct kinesis_call *call, err e);
/* Answers of the void operations: what was submitted is durable. */
void kinesis__change_done(void *ctx, err e);
/* The same where the answer has been written already. */
void kinesis__answer_done(void *ctx, err e);
/* After stream_create and the like: fails when it was refused at once. ERR_IN_USE: since the stream
 * is UPDATING. */
void kinesis__change_begun(struct kinesis_call *call, err e);

str kinesis__arn(struct arena *arena, struct stream_id id);
str kinesis__consumer_arn(struct arena *arena, struct stream_id id,
                          const struct stream_consumer *consumer);
const char *kinesis__status_name(enum stream_status status);

/* --- kinesis_common.c: finding things --------------------------------------------------------- */

/* The stream that an ARN for which kinesis__is_arn() holds names; its strings borrow from it. */
struct stream_id kinesis__arn_id(str arn);
/* Sets call->stream from StreamName or StreamARN or ResourceARN; answers and returns false when
 * there is none. */
bool kinesis__find_stream(struct kinesis_call *call);
/* Sets call->stream and call->consumer from ConsumerARN, or from StreamARN and ConsumerName;
 * answers and returns false when there is none. */
bool kinesis__find_consumer(struct kinesis_call *call);
/* Sets call->stream from ResourceARN, and call->consumer when it names one; answers and returns
 * false when there is none. */
bool kinesis__find_resource(struct kinesis_call *call);
/* As AWS reads names of shards: "shardId-000000000003", "shard-3" and "3" are the same. ERR_SYNTAX:
 * there is no number that a shard can have. */
MUST_USE err kinesis__parse_shard(str shard_id, u32 *index_out);
/* The stream's shard of that name; answers and returns false when there is none. */
bool kinesis__find_shard(struct kinesis_call *call, str shard_id, struct stream_shard *out);
/* ResourceNotFoundException for the stream that the request names. */
void kinesis__fail_no_stream(struct kinesis_call *call, struct stream_id id);
/* The same for a consumer of call->stream. */
void kinesis__fail_no_consumer(struct kinesis_call *call, str name);
/* ResourceInUseException for it: it is CREATING or DELETING. */
void kinesis__fail_consumer_status(struct kinesis_call *call,
                                   const struct stream_consumer *consumer);
i64 kinesis__now_ms(const struct kinesis *service);
/* Of a page: what the request asks for, but no more than `page_max`, which is the default too. */
i64 kinesis__page_limit(const struct kinesis_call *call, i64 page_max);
/* Answers and returns false when `more` shards would pass a limit of the account or of a stream
 * with `open_count`. */
bool kinesis__check_shard_limit(struct kinesis_call *call, i32 open_count, i32 more);

/* --- kinesis_status.c ------------------------------------------------------------------------ */

/* 0: changes are over when they are answered. */
struct transitions *kinesis__transitions_new(struct os *os, u32 delay_ms);
void kinesis__transitions_reset(struct transitions *all);
void kinesis__transitions_free(struct transitions *all);
bool kinesis__has_transitions(const struct kinesis *service);
/* The call's change is durable: what it changed is UPDATING or DELETING from now on. */
void kinesis__note_change(struct kinesis_call *call);
enum stream_status kinesis__status(struct kinesis *service, const struct stream_info *info);
/* Answers and returns false when the state of call->stream is not what the operation needs. */
bool kinesis__check_status(struct kinesis_call *call);
/* ResourceInUseException: call->stream is in that state. */
void kinesis__fail_state(struct kinesis_call *call, enum stream_status status);
/* A reference to a stream that is DELETING: the one of that id; the first of that account and
 * region whose name is greater. NULL when there is none. */
struct stream *kinesis__deleting(struct kinesis *service, struct stream_id id);
struct stream *kinesis__deleting_after(struct kinesis *service, struct stream_id after);
bool kinesis__is_consumer_new(const struct kinesis *service,
                              const struct stream_consumer *consumer); /* CREATING */
/* What was created since then is CREATING. */
i64 kinesis__creating_since_ms(const struct kinesis *service);
/* A consumer of call->stream that is DELETING: of that name; the first with a greater name. The
 * name is copied into the arena. */
bool kinesis__deleting_consumer(struct kinesis_call *call, str name, struct stream_consumer *out);
bool kinesis__deleting_consumer_after(struct kinesis_call *call, str after,
                                      struct stream_consumer *out);

/* --- kinesis_token.c: what clients hold and must not forge --------------------------------------
 */

enum token_kind { TOKEN_ITERATOR = 1, TOKEN_SHARDS = 2, TOKEN_STREAMS = 3, TOKEN_CONSUMERS = 4 };

struct token {
    enum token_kind kind;
    u32 stream; /* Its number. */
    u32 shard;  /* Iterator: the shard. Shards: the last one listed. */
    u64 no;     /* Iterator: next record number. */
    i64 issued_ms;
    u8 filter; /* Shards: enum shard_filter. */
    i64 filter_ms;
    u32 filter_shard;
    str name; /* Streams, consumers: the last one listed. */
};

/* In base64. */
str kinesis__token(struct kinesis *service, struct arena *arena, const struct token *token);
/* ERR_INVALID: not one of ours, of that kind. The name is copied into the arena. */
MUST_USE err kinesis__open_token(struct kinesis *service, struct arena *arena, str text,
                                 enum token_kind kind, struct token *out);

/* --- kinesis_get.c ------------------------------------------------------------------------------
 */

enum position { POSITION_FAILED, POSITION_FOUND, POSITION_SEARCHED };
/* Where to start by ARG_ITERATOR_TYPE, ARG_SEQUENCE and ARG_TIMESTAMP; call->read->shard is set.
 * FAILED: it has been answered. FOUND: *no_out. SEARCHED: call->read->at_ms is to be looked for
 * with stream_pos_time, on a reader's thread. */
enum position kinesis__find_position(struct kinesis_call *call, const struct stream_shard *shard,
                                     u64 *no_out);
/* Runs it on a reader's thread; answers and returns false when there are too many. */
bool kinesis__run_reader(struct kinesis_call *call, void (*run)(void *ctx), void *ctx);
/* --- kinesis_records.c: pieces of answers that hold records -------------------------------------
 */

void kinesis__put_iterator(struct kinesis_call *call, const char *name, u64 no);
/* "Records":[...] of a page of shard call->read->shard. */
void kinesis__put_rows(struct kinesis_call *call, const struct stream_page *page,
                       struct answer *out);
/* "ChildShards":[...] */
void kinesis__put_children(struct kinesis_call *call, struct answer *out);
/* Any thread. The answer of GetRecords: in call->out or, of a large one, in call->read->answer,
 * which takes the page then. ERR_LIMIT: answers hold too much for it. */
MUST_USE err kinesis__write_records(struct kinesis_call *call, struct stream_page *page,
                                    u64 next_no, i64 behind_ms);
/* LOOP. Sends call->read->answer. Ends the call. */
void kinesis__send_records(struct kinesis_call *call);

/* --- kinesis_subscribe.c ------------------------------------------------------------------------
 */

/* life_ms: how long each lasts, 0 = 5 minutes. */
struct subscriptions *kinesis__subscriptions_new(u32 life_ms);
void kinesis__subscriptions_free(struct subscriptions *all);
/* Ends them and waits until they are gone; from now on none begins. Not on a loop. */
void kinesis__subscriptions_stop(struct kinesis *service);

/* --- kinesis_limits.c: any thread ----------------------------------------------------------------
 */

struct limits *kinesis__limits_new(struct os *os);
void kinesis__limits_free(struct limits *limits);
/* False: the shard has had all that it may have now. True: it is counted. */
bool kinesis__limit_put(struct limits *limits, u32 stream, u32 shard, isize bytes);
bool kinesis__limit_read(struct limits *limits, u32 stream, u32 shard);
bool kinesis__limit_iterator(struct limits *limits, u32 stream, u32 shard);
/* What a read that was let pass has given. */
void kinesis__limit_read_done(struct limits *limits, u32 stream, u32 shard, isize bytes);
/* False: `who` (any number that stands for it, below 2^63) has had its calls of this second. */
bool kinesis__limit_call(struct limits *limits, u64 who, i32 per_second);
/* Answers and returns false when the operation, whose limit has that scope, is called too often. */
bool kinesis__check_rate(struct kinesis_call *call, enum rate_scope scope);
/* The same of subscriptions: one call a second for each consumer and shard. */
bool kinesis__check_subscribe_rate(struct kinesis_call *call, u32 shard);
str kinesis__limit_text(struct kinesis_call *call, u32 shard);
void kinesis__fail_limit(struct kinesis_call *call, u32 shard);

/* --- kinesis_faults.c: any thread ----------------------------------------------------------------
 */

struct faults *kinesis__faults_new(const struct kinesis_faults *wanted);
void kinesis__faults_free(struct faults *faults);
/* How long the call waits before it is looked at. */
u32 kinesis__fault_delay_ms(struct faults *faults);
/* True: the call has failed, on purpose. Else call->has_record_faults may have been set. */
bool kinesis__fault(struct kinesis_call *call);
enum put_refusal kinesis__fault_record(struct kinesis_call *call);

/* --- kinesis_scan.c --------------------------------------------------------------------------- */

/* The members of a put request in its common form. */
struct put_scan {
    str stream_name, stream_arn;
    struct put_entry *entries; /* In the arena. */
    isize count;
};
/* One pass over a PutRecord or PutRecords body without a document. False when anything about it is
 * not plain (escapes, other members, an error): the document way then decides and names errors. */
bool kinesis__scan_put(struct arena *arena, str body, bool is_batch, struct put_scan *out);

/* --- kinesis_scan_cbor.c ---------------------------------------------------------------------- */

/* The same of a body in CBOR. */
bool kinesis__scan_put_cbor(struct arena *arena, str body, bool is_batch, struct put_scan *out);

/* --- kinesis_shards.c ------------------------------------------------------------------------ */

/* Place of the first shard after the one named, which need not exist; answers and returns false
 * when it is no shard id. */
bool kinesis__shard_after(struct kinesis_call *call, str shard_id, i32 *position_out);
/* Answers and returns NULL when a tag is not allowed. (kinesis_streams.c) */
struct stream_tag *kinesis__take_tags(struct kinesis_call *call, isize *count_out);
/* The first shard at or behind *position that lists show; moves *position behind it. */
bool kinesis__next_shard(struct stream *stream, i32 *position, struct stream_shard *out);
/* Opens ARG_NEXT_TOKEN; answers and returns false when it is not good any more. */
bool kinesis__take_next_token(struct kinesis_call *call, enum token_kind kind, struct token *out);
/* Sets call->stream to the one that a token was made for; answers and returns false when that is
 * gone, or not the caller's, or not that of ARG_STREAM_ARN. `what` names the argument. */
bool kinesis__find_token_stream(struct kinesis_call *call, const struct token *token,
                                const char *what);

/* --- operations ------------------------------------------------------------------------------- */

/* Puts without a document; false when the ordinary way must be taken. */
bool kinesis__put_fast(struct kinesis_call *call, str body);

void kinesis__create_stream(struct kinesis_call *call);
void kinesis__delete_stream(struct kinesis_call *call);
void kinesis__describe_stream(struct kinesis_call *call);
void kinesis__describe_stream_summary(struct kinesis_call *call);
void kinesis__describe_limits(struct kinesis_call *call);
void kinesis__list_streams(struct kinesis_call *call);
void kinesis__increase_retention(struct kinesis_call *call);
void kinesis__decrease_retention(struct kinesis_call *call);
void kinesis__add_tags(struct kinesis_call *call);
void kinesis__remove_tags(struct kinesis_call *call);
void kinesis__list_tags(struct kinesis_call *call);
void kinesis__list_resource_tags(struct kinesis_call *call);
void kinesis__register_consumer(struct kinesis_call *call);
void kinesis__deregister_consumer(struct kinesis_call *call);
void kinesis__describe_consumer(struct kinesis_call *call);
void kinesis__list_consumers(struct kinesis_call *call);
void kinesis__list_shards(struct kinesis_call *call);
/* Its HashKeyRange. */
void kinesis__put_hash_range(struct answer *out, const struct stream_shard *shard);
void kinesis__put_shard(struct answer *out, const struct stream_shard *shard);
void kinesis__split_shard(struct kinesis_call *call);
void kinesis__merge_shards(struct kinesis_call *call);
void kinesis__update_shard_count(struct kinesis_call *call);
/* The answer to what stream_split, _merge, _scale and _set_warm say at once. */
void kinesis__reshard_begun(struct kinesis_call *call, err e);
void kinesis__describe_account(struct kinesis_call *call);
void kinesis__update_account(struct kinesis_call *call);
void kinesis__update_warm(struct kinesis_call *call);
/* The caller has committed to a minimum throughput (on-demand advantage). */
bool kinesis__has_advantage(const struct kinesis_call *call);
/* Answers and returns false when ARG_WARM_THROUGHPUT asks for more than it may. */
bool kinesis__check_warm(struct kinesis_call *call, bool is_on_demand);
/* "WarmThroughput" of a summary, of streams that may have one. */
void kinesis__put_warm(struct kinesis_call *call, const struct stream_info *info);
/* "EncryptionType" of answers that hold records: only while the stream has a key. */
void kinesis__put_encryption(struct kinesis_call *call, struct answer *out);
/* "EnhancedMonitoring", "EncryptionType" and "KeyId" of descriptions. */
void kinesis__put_settings(struct kinesis_call *call, const struct stream_info *info);
void kinesis__update_mode(struct kinesis_call *call);
void kinesis__start_encryption(struct kinesis_call *call);
void kinesis__stop_encryption(struct kinesis_call *call);
void kinesis__enable_monitoring(struct kinesis_call *call);
void kinesis__disable_monitoring(struct kinesis_call *call);
void kinesis__update_record_size(struct kinesis_call *call);
void kinesis__put_policy(struct kinesis_call *call);
void kinesis__get_policy(struct kinesis_call *call);
void kinesis__delete_policy(struct kinesis_call *call);
void kinesis__put_record(struct kinesis_call *call);
void kinesis__put_records(struct kinesis_call *call);
void kinesis__get_shard_iterator(struct kinesis_call *call);
void kinesis__get_records(struct kinesis_call *call);
void kinesis__subscribe(struct kinesis_call *call);

#endif
