/* aws/common/names.c: from os_random, and from the region. */
#include "aws/common/names.h"

void aws_uuid(struct os *os, char out[AWS_UUID_BYTES])
{
    /* Each request has one: a call of the kernel for many of them. */
    static _Thread_local struct {
        struct os *os;
        isize left;
        u8 bytes[64 * 16];
    } pool;
    u8 r[16];
    if (pool.os != os || pool.left == 0) {
        pool.os = os;
        pool.left = (isize)sizeof pool.bytes;
        os_random(os, pool.bytes, pool.left);
    }
    pool.left -= (isize)sizeof r;
    memcpy(r, pool.bytes + pool.left, sizeof r);
    r[6] = (u8)(0x40 | (r[6] & 0x0f)); /* Version 4, */
    r[8] = (u8)(0x80 | (r[8] & 0x3f)); /* variant 1. */
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digits[r[i] >> 4];
        *out++ = digits[r[i] & 15];
    }
    *out = '\0';
}

const char *aws_partition(str region)
{
    if (str_starts(region, STR("cn-"))) {
        return "aws-cn";
    }
    return str_starts(region, STR("us-gov-")) ? "aws-us-gov" : "aws";
}
