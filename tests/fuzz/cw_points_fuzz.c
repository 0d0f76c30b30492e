/* Points of a metric as they are stored: any bytes are damage or points, which are stored again and
 * read as what they were. */
#include "aws/cloudwatch/cw_store_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { BASE_S = 1767225600 };
    str in = str_from(data, (isize)size);
    struct cw_point point;
    while (in.len > 0 && cw__point_decode(&in, BASE_S, &point) == OK) {
        CHECK(point.pair_count >= 0 && point.pair_count <= (i64)size);
        struct buf out = {0};
        if (point.time_s >= BASE_S) {
            cw__point_encode(&out, &point, BASE_S);
            str stored = buf_str(&out);
            struct cw_point back;
            CHECK(cw__point_decode(&stored, BASE_S, &back) == OK && stored.len == 0);
            CHECK(back.time_s == point.time_s && back.pair_count == point.pair_count);
            CHECK(back.unit == point.unit && back.is_opaque == point.is_opaque);
            cw__point_free(&back);
        }
        buf_deinit(&out);
        cw__point_free(&point);
    }
    return 0;
}
