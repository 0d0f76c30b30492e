/* tests/fuzz/cbor_fuzz.c: any bytes as CBOR. Nothing may crash, hang or leak, and a tree has no
 * more values than the document has bytes. */
#include "codec/cbor.h"

#include <stddef.h>

static isize values(const struct json_value *value)
{
    isize count = 1;
    for (const struct json_value *v = json_first(value); v != NULL; v = json_next(v)) {
        count += values(v);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    const struct json_value *value;
    if (cbor_parse(&arena, str_from(data, (isize)size), &value, NULL) == OK) {
        CHECK(values(value) <= (isize)size);
    }
    arena_deinit(&arena);
    return 0;
}
