/*
 * aws/s3/s3_lane.h: the MD5 of a long body on a thread of its own, beside the one
 * that receives and writes it: MD5 is the slowest of what a body goes through.
 */
#ifndef AWS_S3_LANE_H
#define AWS_S3_LANE_H

#include "aws/s3/s3_digest.h"

struct s3_lane;

/* `digest` (begun, borrowed) is the lane's until s3_lane_finish. */
struct s3_lane *s3_lane_start(struct s3_digest *digest);
/* Copies the bytes; waits while half a MiB is not hashed yet. */
void s3_lane_push(struct s3_lane *lane, str data);
/* Hashes what is left, ends the thread, frees. NULL is allowed. */
void s3_lane_finish(struct s3_lane *lane);

#endif
