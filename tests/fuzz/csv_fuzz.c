/* CSV: rows and problems do not depend on how the bytes are cut into chunks, and reading
 * resumed at an end_offset gives the rest. */
#include "codec/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct csv_options *options, str text, isize chunk, u64 offset,
                     struct buf *out, u64 *middle_out)
{
    struct csv_reader *reader;
    if (csv_reader_new(options, &reader, NULL) != OK) {
        return;
    }
    csv_reader_resume(reader, offset, 1);
    struct csv_row row;
    isize at = 0, rows = 0;
    u64 end = offset;
    err e;
    while ((e = csv_reader_next(reader, &row)) != ERR_END) {
        if (e == ERR_AGAIN) {
            if (at == text.len) {
                csv_reader_finish(reader);
            } else {
                csv_reader_feed(reader, str_slice(text, at, at + chunk));
                at = MIN(at + chunk, text.len);
            }
            continue;
        }
        CHECK(row.offset >= end && row.end_offset > row.offset);
        CHECK(row.end_offset <= offset + (u64)text.len);
        end = row.end_offset;
        rows++;
        if (rows == 2 && middle_out != NULL) {
            *middle_out = end;
            buf_reset(out); /* What follows is compared. */
            continue;
        }
        if (e == ERR_INVALID) {
            buf_printf(out, "!%s %d\n", row.problem, (int)row.column);
        }
        for (isize i = 0; e == OK && i < row.count; i++) {
            buf_append(out, row.fields[i]);
            buf_append_byte(out, '\f');
        }
        buf_append_byte(out, '\n');
    }
    csv_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    static const u8 escapes[] = {0, '\\', '#', 'x'};
    struct csv_options options = {
        .delimiter = data[0] & 1 ? ';' : ',',
        .escape = escapes[data[0] >> 1 & 3],
        .has_no_quotes = (data[0] & 8) != 0,
        .allows_comments = (data[0] & 16) != 0,
    };
    str text = str_from(data + 2, (isize)size - 2);
    struct buf whole = {0}, parts = {0};
    u64 middle = 0;
    read_all(&options, text, MAX(text.len, 1), 0, &whole, NULL);
    read_all(&options, text, 1 + data[1] % 7, 0, &parts, NULL);
    CHECK(str_eq(buf_str(&whole), buf_str(&parts)));
    buf_reset(&whole);
    buf_reset(&parts);
    read_all(&options, text, 1 + data[1] % 7, 0, &whole, &middle);
    if (middle > 0) {
        read_all(&options, str_slice(text, (isize)middle, text.len), 1 + data[1] % 7, middle,
                 &parts, NULL);
        CHECK(str_eq(buf_str(&whole), buf_str(&parts)));
    }
    buf_deinit(&whole);
    buf_deinit(&parts);
    return 0;
}
