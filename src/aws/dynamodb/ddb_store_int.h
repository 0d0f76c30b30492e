/* aws/dynamodb/ddb_store_int.h: shared by ddb_store.c (tables) and ddb_items.c (items). */
#ifndef AWS_DYNAMODB_DDB_STORE_INT_H
#define AWS_DYNAMODB_DDB_STORE_INT_H

#include "aws/common/store.h"
#include "aws/dynamodb/ddb_store.h"

struct ddb_store {
    struct os *os;
    struct store *db;
    struct ddb_table *
        *tables; /* Owned, in order of account, region, name. Under the store's lock. */
    isize table_count, table_capacity;
};

enum { DDB_EXPIRY_INDEX = -1 }; /* idx of the entries by which items expire. */

MUST_USE err ddb__entry_write(struct ddb_store *store, const struct ddb_table *table, i64 index,
                              str entry, str item);
/* Adds to the counts of a table (index 0) or of an index. */
MUST_USE err ddb__counts_add(struct ddb_store *store, const struct ddb_table *table, i64 index,
                             struct ddb_counts more);

#endif
