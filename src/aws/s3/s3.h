/*
 * aws/s3/s3.h: Amazon S3 over REST and XML, path style and virtual host. What is
 * supported and where it differs: docs/services/s3.md. Bytes lie in the store of
 * aws/s3/s3_store.h, which is opened at the first request.
 *
 * Each request runs on a worker of the HTTP server and streams: an object is never
 * held in memory.
 */
#ifndef AWS_S3_H
#define AWS_S3_H

#include "aws/common/service.h"

extern const struct aws_service s3_service;

#endif
