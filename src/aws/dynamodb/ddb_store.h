/*
 * aws/dynamodb/ddb_store.h: tables and items in one SQLite file (docs/formats/dynamodb.md).
 * Everything but open, close and lock needs the lock; a table that find gave is valid
 * until the lock is released or the table changed.
 */
#ifndef AWS_DYNAMODB_DDB_STORE_H
#define AWS_DYNAMODB_DDB_STORE_H

#include "aws/dynamodb/ddb_table.h"
#include "os/os.h"

enum {
    DDB_TABLES_MAX = 2500,  /* Of one account and region, as DynamoDB's quota. */
    DDB_TOKEN_LIFE_S = 600, /* Of ClientRequestToken. */
};

struct ddb_scope {
    str account, region;
};
struct ddb_table {
    i64 id;
    str account, region, name;
    str uuid;
    i64 created_us, billed_us; /* billed_us: since when it is on demand; 0: never was. */
    struct ddb_definition definition;
    struct arena arena; /* Of all of it. */
};
struct ddb_counts {
    i64 items, bytes;
};

struct ddb_store;

MUST_USE err ddb_store_open(struct os *os, const char *dir, struct ddb_store **out,
                            struct diag *diag);
void ddb_store_close(struct ddb_store *store); /* NULL is allowed. */
/* For aws_stage. */
struct store;
struct store *ddb_store_database(struct ddb_store *store);
void ddb_store_lock(struct ddb_store *store);
void ddb_store_unlock(struct ddb_store *store);
/* Deletes everything. */
MUST_USE err ddb_store_reset(struct ddb_store *store);

/* Around changes; the lock is held. Commit is durable. */
MUST_USE err ddb_store_begin(struct ddb_store *store);
MUST_USE err ddb_store_commit(struct ddb_store *store);
void ddb_store_rollback(struct ddb_store *store);

/* --- tables ---------------------------------------------------------------------------------- */

/* NULL: there is none. */
const struct ddb_table *ddb_table_find(struct ddb_store *store, struct ddb_scope scope, str name);
/* Tables of the scope with a name above `after`, in order; NULL at the end. */
const struct ddb_table *ddb_table_next(struct ddb_store *store, struct ddb_scope scope, str after);
isize ddb_table_count(struct ddb_store *store, struct ddb_scope scope);
/* Each is a transaction of its own. `definition` is copied. */
MUST_USE err ddb_table_create(struct ddb_store *store, struct ddb_scope scope, str name,
                              const struct ddb_definition *definition,
                              const struct ddb_table **out);
/* Indexes that are new are filled, those that are gone emptied. *table is replaced. */
MUST_USE err ddb_table_change(struct ddb_store *store, const struct ddb_table **table,
                              const struct ddb_definition *definition);
MUST_USE err ddb_table_delete(struct ddb_store *store, const struct ddb_table *table);
/* Of the table, or of one of its indexes. */
MUST_USE err ddb_table_counts(struct ddb_store *store, const struct ddb_table *table, i64 index,
                              struct ddb_counts *out);

/* --- items; changes within begin and commit --------------------------------------------------- */

/* `key` has the key's attributes at least. *found_out false: there is none. */
MUST_USE err ddb_item_read(struct ddb_store *store, const struct ddb_table *table,
                           const struct ddb_value *key, struct arena *arena, struct ddb_value *out,
                           bool *found_out);
/* Replaces `old` by `item`; either may be NULL. Both have the same key. */
MUST_USE err ddb_item_write(struct ddb_store *store, const struct ddb_table *table,
                            const struct ddb_value *old, const struct ddb_value *item);

/* Items with keys in [low, high), of the table (index NULL) or of an index. */
struct ddb_range {
    const struct ddb_index *index;
    str low, high;
    bool is_backward;
};
/* Calls `each` for items in order until it returns false. The item lives until it returns. */
MUST_USE err ddb_range_read(struct ddb_store *store, const struct ddb_table *table,
                            const struct ddb_range *range,
                            bool (*each)(void *ctx, const struct ddb_value *item), void *ctx);

/* Deletes up to `max` items that expired before `now_s` and not more than five years before, in
 * a transaction of its own. */
MUST_USE err ddb_items_expire(struct ddb_store *store, i64 now_s, isize max, isize *deleted_out);

/* --- tokens of transactions ------------------------------------------------------------------- */

/* What this token stood for in the last 10 minutes: *found_out, and the hash of its request. */
MUST_USE err ddb_token_read(struct ddb_store *store, struct ddb_scope scope, str token,
                            u64 *hash_out, bool *found_out);
MUST_USE err ddb_token_write(struct ddb_store *store, struct ddb_scope scope, str token, u64 hash);

#endif
