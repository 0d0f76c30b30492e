/* aws/common/caller.c: "AWS4-HMAC-SHA256 Credential=KEY/20261124/us-east-1/kinesis/aws4_request,
 * ...". */
#include "aws/common/caller.h"

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

/* Only what may stand in a region's or service's name: it becomes part of ARNs and labels. */
static bool is_name(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (u8)(c - '0') <= 9 || c == '-';
        if (!is_plain) {
            return false;
        }
    }
    return text.len > 0 && text.len <= 64;
}

static bool credential_take(str credential, struct aws_caller *out)
{
    str key = str_split(&credential, '/', NULL);
    str date = str_split(&credential, '/', NULL);
    str region = str_split(&credential, '/', NULL);
    str service = str_split(&credential, '/', NULL);
    bool is_whole = key.len > 0 && date.len == 8 && is_name(region) && is_name(service) &&
                    str_eq(credential, STR("aws4_request"));
    if (!is_whole) {
        return false;
    }
    out->access_key = key;
    out->account = is_account(key) ? key : STR(ACCOUNT_DEFAULT);
    out->region = region;
    out->service = service;
    out->is_signed = true;
    return true;
}

/* Value of "Name=" in the comma-separated rest of an Authorization header. */
static str part(str header, str name)
{
    while (header.len > 0) {
        str item = str_trim(str_split(&header, ',', NULL));
        str key = str_split(&item, '=', NULL);
        if (str_eq(key, name)) {
            return item;
        }
    }
    return STR_EMPTY;
}

void aws_caller_read(struct http_exchange *x, struct aws_caller *out)
{
    *out = (struct aws_caller){.account = STR(ACCOUNT_DEFAULT), .region = STR("us-east-1")};
    str header = http_header(x, "authorization");
    str scheme = STR("AWS4-HMAC-SHA256 ");
    if (str_starts(header, scheme)) {
        str rest = str_slice(header, scheme.len, header.len);
        bool has_all =
            part(rest, STR("SignedHeaders")).len > 0 && part(rest, STR("Signature")).len > 0;
        if (has_all) {
            (void)credential_take(part(rest, STR("Credential")), out);
        }
        return;
    }
    str credential;
    bool found;
    err e = http_param(http_arena(x), http_query(x), STR("X-Amz-Credential"), &credential, &found);
    if (e == OK && found && credential_take(credential, out)) {
        out->is_presigned = true;
    }
}
