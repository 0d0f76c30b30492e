/* connect/filesystem/filesystem.h: objects of S3 and local files: docs/connectors/filesystem.md.
 * 's3' is another name of the same connector. */
#ifndef CONNECT_FILESYSTEM_FILESYSTEM_H
#define CONNECT_FILESYSTEM_FILESYSTEM_H

#include "connect/sink.h"

extern const struct connector connect_filesystem, connect_s3;

#endif
