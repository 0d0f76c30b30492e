/* aws/common/names.h: names that AWS gives: UUIDs, and partitions of ARNs. */
#ifndef AWS_COMMON_NAMES_H
#define AWS_COMMON_NAMES_H

#include "os/os.h"

enum { AWS_UUID_BYTES = 37 }; /* With its closing NUL. */

/* RFC 4122 version 4. */
void aws_uuid(struct os *os, char out[AWS_UUID_BYTES]);
/* "aws", "aws-cn" or "aws-us-gov", by the region's name. */
const char *aws_partition(str region);

#endif
