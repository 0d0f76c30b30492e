/* aws/common/body.h: the whole body of a request, for services that work on a pool thread. */
#ifndef AWS_COMMON_BODY_H
#define AWS_COMMON_BODY_H

#include "net/http.h"

/* WORKER. Appends to `out`. ERR_LIMIT: more than bytes_max; ERR_CLOSED: nobody waits for an answer
 * any more. */
MUST_USE err aws_body_read(struct http_exchange *x, isize bytes_max, struct buf *out);

#endif
