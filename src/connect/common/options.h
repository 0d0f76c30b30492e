/* connect/common/options.h: values of options as Flink reads them: "128MB", "30 min", "true". */
#ifndef CONNECT_COMMON_OPTIONS_H
#define CONNECT_COMMON_OPTIONS_H

#include "connect/connect.h"

/* "128MB", "1 gb", "4096". CON030 names the option. Absent: *out stays. */
MUST_USE err connect_get_bytes(const struct connect_table *table, const char *key, u64 *out,
                               struct diag *diag);
/* "30 min", "1s", "500 ms"; a bare number is milliseconds. CON031. Absent: *out stays. */
MUST_USE err connect_get_ms(const struct connect_table *table, const char *key, i64 *out,
                            struct diag *diag);
/* A whole number from `low` to `high`. CON032. Absent: *out stays. */
MUST_USE err connect_get_number(const struct connect_table *table, const char *key, i64 low,
                                i64 high, i64 *out, struct diag *diag);

#endif
