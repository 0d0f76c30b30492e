/* cli/s3_upload.h: bytes as they come into an object of S3, in parts of 8 MiB; the object is there
 * when all of it is. */
#ifndef CLI_S3_UPLOAD_H
#define CLI_S3_UPLOAD_H

#include "base/str.h"
#include "cli/byte_source.h"

/* Prints what went wrong and returns the exit code. */
int s3_upload(const char *endpoint, const char *region, str bucket, str key,
              struct byte_source *source);

#endif
