/* aws/dynamodb/ddb_table_ops.h: shared by the operations on tables. */
#ifndef AWS_DYNAMODB_DDB_TABLE_OPS_H
#define AWS_DYNAMODB_DDB_TABLE_OPS_H

#include "aws/dynamodb/ddb_int.h"

/* What an answer says of the table's state. */
struct ddb_shown {
    const char *status;
    i64 new_index; /* Global indexes from this id on are CREATING; -1: none. */
};
/* "member": the table's description. */
bool ddb__describe(struct ddb_call *call, const struct ddb_table *table, const char *member,
                   const struct ddb_shown *shown);
/* Refuses settings that we do not serve. */
bool ddb__settings_check(struct ddb_work *work, const struct json_value *input);

#endif
