/*
 * aws/dynamodb/ddb_int.h: shared by the operations of this service.
 *
 * The way of a request: dynamodb.c goes to a worker and reads the body; the
 * operation runs with the store locked, writes its answer into `out` or refuses,
 * and dynamodb.c answers.
 */
#ifndef AWS_DYNAMODB_DDB_INT_H
#define AWS_DYNAMODB_DDB_INT_H

#include "aws/common/service.h"
#include "aws/dynamodb/ddb_store.h"
#include "os/thread.h"

enum {
    DDB_BODY_BYTES_MAX = 16 << 20,
    DDB_INPUT_BYTES_MAX = 256 << 20, /* Memory of one parsed request. */
    DDB_PAGE_BYTES_MAX = 1 << 20,    /* Of items that Query or Scan looks at. */
    DDB_SEGMENTS_MAX = 1000000,
    DDB_BATCH_GET_MAX = 100,
    DDB_BATCH_GET_BYTES_MAX = 16 << 20,
    DDB_BATCH_WRITE_MAX = 25,
    DDB_TRANSACT_MAX = 100,
    DDB_TRANSACT_BYTES_MAX = 4 << 20,
    DDB_LIST_TABLES_MAX = 100,
};

struct dynamodb {
    struct os *os;
    const char *endpoint;
    char dir[1024];
    struct os_mutex lock;
    struct ddb_store *store;  /* Opened at the first use, under the lock. */
    struct os_thread expirer; /* Runs since then. */
    struct os_cond wake;
    bool is_stopping; /* Under the lock. */
};

/* ddb_expire.c: a thread that deletes items whose time has come. Start: with the lock. */
void ddb__expirer_start(struct dynamodb *service);
void ddb__expirer_stop(struct dynamodb *service);

struct ddb_call {
    struct ddb_work work; /* First: what refused the request. */
    struct arena *arena;
    struct dynamodb *service;
    struct aws_request *request;
    struct ddb_store *store;
    const struct json_value *input;
    struct ddb_scope scope;
    struct buf out;     /* The answer: members of a JSON object, by ddb__member. */
    struct buf details; /* More members of an error, each with a comma before it. */
};

/* --- parameters (ddb_params.c) ---------------------------------------------------------------- */

/* The table that `input`'s TableName names, or `value` itself, by name or ARN; NULL when refused.
 * shows_name: the message that there is none names it. */
const struct ddb_table *ddb__table(struct ddb_call *call, struct ddb_work *work,
                                   const struct json_value *input, bool shows_name);
const struct ddb_table *ddb__table_named(struct ddb_call *call, struct ddb_work *work,
                                         const struct json_value *value, bool shows_name);
/* Checks and takes a name or ARN. */
bool ddb__table_name(struct ddb_call *call, struct ddb_work *work, const struct json_value *value,
                     str *out);
/* Index of a member in `names` (NULL-terminated); 0 when it is absent; -1 when refused. */
int ddb__choice(struct ddb_work *work, const struct json_value *input, const char *member,
                const char *shown, const char *const *names);
/* Refuses a member that is there and that we do not serve. */
bool ddb__not_served(struct ddb_work *work, const struct json_value *input, const char *member);
bool ddb__store_failed(struct ddb_work *work, err e); /* Returns false. */
void ddb__arn_write(struct buf *out, const struct ddb_table *table);
/* "name": before the next value of an answer; dynamodb.c closes its object. */
void ddb__member(struct buf *out, const char *name);

/* What a request says by expressions, or by parameters of the first API. */
struct ddb_terms {
    struct ddb_substitutes substitutes;
    struct ddb_condition *condition; /* ConditionExpression, FilterExpression, Expected, filters. */
    struct ddb_condition *key;       /* KeyConditionExpression, KeyConditions. */
    struct ddb_update update;
    struct ddb_projection projection;
    bool has_update, has_projection, is_legacy;
};
enum ddb_terms_of {
    DDB_TERMS_CONDITION = 1, /* ConditionExpression or Expected */
    DDB_TERMS_UPDATE = 2,
    DDB_TERMS_PROJECTION = 4,
    DDB_TERMS_QUERY = 8, /* Key condition and filter */
    DDB_TERMS_SCAN = 16, /* Filter */
};
bool ddb__terms_parse(struct ddb_work *work, const struct json_value *input, int which,
                      struct ddb_terms *out);

/* --- capacity (ddb_capacity.c) ---------------------------------------------------------------- */

enum ddb_capacity_shown { DDB_CAPACITY_NONE, DDB_CAPACITY_TOTAL, DDB_CAPACITY_INDEXES };
struct ddb_usage {
    const struct ddb_table *table;
    double units;        /* Of the table. */
    double *index_units; /* Per index of the definition; NULL: none. */
};
/* -1 when refused. */
int ddb__capacity_choice(struct ddb_work *work, const struct json_value *input);
double ddb__read_units(isize bytes, bool is_consistent);
/* What a write of `old` to `item` uses. */
void ddb__usage_write(struct arena *arena, struct ddb_usage *usage, const struct ddb_value *old,
                      const struct ddb_value *item, double factor);
/* "ConsumedCapacity": one, or a list of `count`. */
void ddb__usage_show(struct ddb_call *call, int shown, const struct ddb_usage *usage);
void ddb__usage_show_list(struct ddb_call *call, int shown, const struct ddb_usage *usages,
                          isize count, const char *extra);
/* The usage of `table` in a list that grows. */
struct ddb_usage *ddb__usage_of(struct arena *arena, struct ddb_usage **usages, isize *count,
                                const struct ddb_table *table);

/* --- writes (ddb_write.c) --------------------------------------------------------------------- */

enum ddb_write_kind { DDB_WRITE_PUT, DDB_WRITE_UPDATE, DDB_WRITE_DELETE, DDB_WRITE_CHECK };
struct ddb_write {
    enum ddb_write_kind kind;
    const struct ddb_table *table;
    struct ddb_value item; /* Of PUT; the key of the others. */
    struct ddb_terms terms;
    bool shows_old; /* ReturnValuesOnConditionCheckFailure ALL_OLD */
    /* After it ran: */
    struct ddb_value before, after;
    bool has_before, has_after;
};
bool ddb__write_parse(struct ddb_call *call, struct ddb_work *work, const struct json_value *input,
                      enum ddb_write_kind kind, struct ddb_write *out);
/* Between begin and commit. Refuses into `work`, which has an arena. */
bool ddb__write_run(struct ddb_call *call, struct ddb_work *work, struct ddb_write *write);
isize ddb__write_bytes(const struct ddb_write *write);
/* "Item" of a failed condition's answer, when it was asked for. */
void ddb__write_show_old(struct buf *out, const struct ddb_write *write);

/* --- operations ------------------------------------------------------------------------------- */

#define DDB_OPERATION(name) void ddb__##name(struct ddb_call *call)
DDB_OPERATION(create_table);
DDB_OPERATION(describe_table);
DDB_OPERATION(list_tables);
DDB_OPERATION(delete_table);
DDB_OPERATION(update_table);
DDB_OPERATION(tag_resource);
DDB_OPERATION(untag_resource);
DDB_OPERATION(list_tags);
DDB_OPERATION(describe_ttl);
DDB_OPERATION(update_ttl);
DDB_OPERATION(describe_backups);
DDB_OPERATION(update_backups);
DDB_OPERATION(describe_endpoints);
DDB_OPERATION(describe_limits);
DDB_OPERATION(get_item);
DDB_OPERATION(put_item);
DDB_OPERATION(update_item);
DDB_OPERATION(delete_item);
DDB_OPERATION(query);
DDB_OPERATION(scan);
DDB_OPERATION(batch_get);
DDB_OPERATION(batch_write);
DDB_OPERATION(transact_get);
DDB_OPERATION(transact_write);

#endif
