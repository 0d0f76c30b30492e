/* aws/sns/sns_store_int.h: shared by the files of the SNS store. */
#ifndef AWS_SNS_STORE_INT_H
#define AWS_SNS_STORE_INT_H

#include "aws/common/store.h"
#include "aws/sns/sns_store.h"

struct sns_store {
    struct os *os;
    struct store *db;
    i64 topic_count; /* Under the store's lock. */
};

#endif
