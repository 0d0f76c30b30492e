/* aws/common/caller.c: "AWS4-HMAC-SHA256 Credential=KEY/20261124/us-east-1/kinesis/aws4_request,
 * ...". */
#include "aws/common/caller.h"

#include "codec/sigv4.h"

#define ACCOUNT_DEFAULT "000000000000"

static bool is_account(str key)
{
    if (key.len != 12) {
        return false;
    }
    for (isize i = 0; i < key.len; i++) {
        if ((u8)(key.data[i] - '0') > 9) {
            return false;
        }
    }
    return true;
}

/* A URL presigned by Signature Version 2, as boto3 still makes them for S3 in us-east-1. */
static bool read_version_2(struct http_exchange *x, struct aws_caller *out)
{
    static const char *const names[] = {"Signature", "Expires", "AWSAccessKeyId"};
    str value = STR_EMPTY;
    for (isize i = 0; i < COUNT_OF(names); i++) {
        bool found;
        err e = http_param(http_arena(x), http_query(x), str_of(names[i]), &value, &found);
        if (e != OK || !found) {
            return false;
        }
    }
    out->access_key = value;
    out->account = is_account(value) ? value : STR(ACCOUNT_DEFAULT);
    out->service = STR("s3");
    out->is_signed = true;
    out->is_presigned = true;
    return true;
}

void aws_caller_read(struct http_exchange *x, struct aws_caller *out)
{
    *out = (struct aws_caller){.account = STR(ACCOUNT_DEFAULT), .region = STR("us-east-1")};
    struct sigv4_claim claim;
    str header = http_header(x, "authorization");
    err e = header.len > 0 ? sigv4_parse_header(header, &claim)
                           : sigv4_parse_query(http_arena(x), http_query(x), &claim);
    if (header.len == 0 && e != OK && read_version_2(x, out)) {
        return;
    }
    if (e != OK) {
        return;
    }
    out->access_key = claim.access_key;
    out->account = is_account(claim.access_key) ? claim.access_key : STR(ACCOUNT_DEFAULT);
    out->region = claim.region;
    out->service = claim.service;
    out->is_signed = true;
    out->is_presigned = claim.is_presigned;
}
