/*
 * aws/dynamodb/ddb_number.h: DynamoDB's numbers: decimal, up to 38 significant digits,
 * magnitude 1E-130 to 9.99...E+125, or zero. Pure functions, any thread.
 */
#ifndef AWS_DYNAMODB_DDB_NUMBER_H
#define AWS_DYNAMODB_DDB_NUMBER_H

#include "base/str.h"

enum {
    DDB_DIGITS_MAX = 38,
    DDB_NUMBER_TEXT_MAX = 180, /* "-0." and zeros and digits. */
    DDB_NUMBER_KEY_MAX = 24,
};

/* 0.d1d2d3... times 10 to `exponent`; d1 and the last digit are not 0. count 0: zero. */
struct ddb_number {
    bool is_negative;
    u8 count;
    i16 exponent; /* -129 to 126 */
    u8 digits[DDB_DIGITS_MAX];
};

enum ddb_number_fault {
    DDB_NUMBER_OK,
    DDB_NUMBER_SYNTAX,
    DDB_NUMBER_DIGITS, /* More than 38. */
    DDB_NUMBER_OVERFLOW,
    DDB_NUMBER_UNDERFLOW,
};

enum ddb_number_fault ddb_number_parse(str text, struct ddb_number *out);
/* The canonical form: plain digits, no exponent, no needless zeros. Returns its length. */
isize ddb_number_write(const struct ddb_number *number, char out[DDB_NUMBER_TEXT_MAX]);
int ddb_number_cmp(const struct ddb_number *a, const struct ddb_number *b);
/* Bytes whose order is the order of the numbers, and which end by themselves. Returns the count. */
isize ddb_number_key(const struct ddb_number *number, u8 out[DDB_NUMBER_KEY_MAX]);
/* a + b, or a - b. */
enum ddb_number_fault ddb_number_add(const struct ddb_number *a, const struct ddb_number *b,
                                     bool is_minus, struct ddb_number *out);
/* Bytes that DynamoDB charges for it. */
isize ddb_number_bytes(const struct ddb_number *number);

#endif
