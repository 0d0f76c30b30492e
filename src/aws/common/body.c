/* aws/common/body.c: reads until the end or the limit. */
#include "aws/common/body.h"

enum { STEP_BYTES = 32 * 1024 };

err aws_body_read(struct http_exchange *x, isize bytes_max, struct buf *out)
{
    for (;;) {
        u8 *place = buf_reserve(out, STEP_BYTES);
        if (place == NULL) {
            return ERR_LIMIT;
        }
        isize got;
        TRY(http_body_read(x, place, STEP_BYTES, &got));
        if (got == 0) {
            return OK;
        }
        out->len += got;
        if (out->len > bytes_max) {
            return ERR_LIMIT;
        }
    }
}
