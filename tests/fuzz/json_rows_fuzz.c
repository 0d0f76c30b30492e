/* JSON rows: every level of the decoder says the same. Messages are cut at form feeds; the last one
 * before another is repeated, so that layouts are learned and compared. */
#include "../unit/codec/json_rows_check.h"

enum { MESSAGES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_from(data, (isize)size), messages[2 * MESSAGES_MAX];
    isize count = 0;
    while (rest.len > 0 && count < 2 * MESSAGES_MAX) {
        str message = str_split(&rest, '\f', NULL);
        messages[count++] = message;
        messages[count++] = message;
    }
    struct buf a = {0}, b = {0};
    if (count > 0) {
        CHECK(check_levels(messages, count, &a, &b));
    }
    buf_deinit(&a);
    buf_deinit(&b);
    return 0;
}
