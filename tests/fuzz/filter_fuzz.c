/* Conditions of a tail: a line of any bytes is refused with a span inside of it, or tests records
 * of any bytes, which stand behind it, one a line. */
#include "engine/filter.h"

enum { RECORDS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_from(data, (isize)size);
    str condition = str_split(&rest, '\n', NULL);
    struct diag diag;
    diag_init(&diag);
    struct engine_filter *filter;
    if (engine_filter_new(condition, &filter, &diag) != OK) {
        CHECK(diag.message[0] != '\0');
        return 0;
    }
    str records[RECORDS_MAX];
    isize count = 0;
    while (rest.len > 0 && count < RECORDS_MAX) {
        records[count++] = str_split(&rest, '\n', NULL);
    }
    bool passes[RECORDS_MAX], again[RECORDS_MAX];
    engine_filter_test(filter, records, count, passes);
    engine_filter_test(filter, records, count, again);
    for (isize i = 0; i < count; i++) {
        CHECK(passes[i] == again[i]);
    }
    engine_filter_free(filter);
    return 0;
}
