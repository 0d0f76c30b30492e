/* aws/common/names.c: from os_random, and from the region. */
#include "aws/common/names.h"

#include <stdio.h>

void aws_uuid(struct os *os, char out[AWS_UUID_BYTES])
{
    u8 r[16];
    os_random(os, r, sizeof r);
    (void)snprintf(out, AWS_UUID_BYTES,
                   "%02x%02x%02x%02x-%02x%02x-4%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x", r[0],
                   r[1], r[2], r[3], r[4], r[5], r[6] & 15, r[7], 8 + (r[8] & 3), r[8] >> 4, r[9],
                   r[10], r[11], r[12], r[13], r[14], r[15]);
}

const char *aws_partition(str region)
{
    if (str_starts(region, STR("cn-"))) {
        return "aws-cn";
    }
    return str_starts(region, STR("us-gov-")) ? "aws-us-gov" : "aws";
}
