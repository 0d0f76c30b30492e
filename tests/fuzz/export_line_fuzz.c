/* Lines of an export: what reads as a record is written, and reads as the same again. */
#include "cli/export_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buf out = {0};
    struct export_line line, again;
    struct diag diag;
    diag_init(&diag);
    err e = export_line_read(&arena, str_from(data, (isize)size), &line, &diag);
    CHECK(e == OK || diag_is_set(&diag));
    if (e == OK && line.kind == EXPORT_RECORD) {
        export_record_write(&out, &line.record);
        CHECK(out.data[out.len - 1] == '\n');
        str text = str_slice(buf_str(&out), 0, out.len - 1);
        CHECK(export_line_read(&arena, text, &again, &diag) == OK);
        CHECK(again.kind == EXPORT_RECORD);
        CHECK(str_eq(again.record.partition_key, line.record.partition_key));
        CHECK(str_eq(again.record.hash_key, line.record.hash_key));
        CHECK(str_eq(again.record.data, line.record.data));
    }
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
