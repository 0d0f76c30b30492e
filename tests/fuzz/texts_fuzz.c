/* The short texts that requests, options and tables carry: numbers, times, shards, escapes. What is
 * taken is in its range, and is taken again in the form in which it is written. */
#include "aws/kinesis/kinesis.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/cal.h"
#include "codec/base64.h"
#include "codec/compress.h"
#include "engine/engine_int.h"
#include "feed/row_json.h"
#include "func/func_int.h"
#include "net/http.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void streams_try(str text)
{
    u128 hash, hash_again;
    char digits[64];
    if (stream_hash_parse(text, &hash) == OK) {
        CHECK(str_eq(text, str_from(digits, stream_hash_format(hash, digits))));
        CHECK(stream_hash_parse(text, &hash_again) == OK && hash_again == hash);
    }
    struct stream_sequence sequence, again;
    if (stream_sequence_parse(text, &sequence) == OK) {
        stream_sequence_format(&sequence, digits);
        CHECK(stream_sequence_parse(str_of(digits), &again) == OK);
        CHECK(again.index == sequence.index && again.shard == sequence.shard);
        CHECK(again.arrival_s == sequence.arrival_s && again.is_behind == sequence.is_behind);
        CHECK(again.shard_created_s == sequence.shard_created_s);
    }
    u32 shard;
    IGNORE(stream_shard_parse(text, &shard)); /* Must only not crash; as do those below. */
    struct stream_record record;
    if (stream_record_decode(text, &record) == OK) {
        CHECK(record.partition_key.len <= text.len && record.data.len <= text.len);
    }
}

static void times_try(struct arena *arena, str text)
{
    i64 number;
    i32 ms;
    struct diag diag;
    diag_init(&diag);
    IGNORE(engine_time_parse(text, &number, &diag));
    if (engine__duration_parse(text, &number) == OK) {
        CHECK(number >= 0);
    }
    if (feed_time_parse(text, &number) == OK) {
        struct cal cal;
        cal_from_us(number, &cal);
        CHECK(cal_to_us(&cal) == number && cal.month >= 1 && cal.month <= 12);
    }
    IGNORE(func__parse_date(text, &number));
    if (func__parse_time(text, &ms)) {
        CHECK(ms >= 0 && ms < 24 * 60 * 60 * 1000);
    }
    struct func_instant instant;
    IGNORE(func__scan_instant(text, &instant));
    isize split = str_find_byte(text, '\n', 0);
    if (split >= 0) {
        const char *why = NULL;
        const struct func_timefmt *format = func__timefmt(arena, str_slice(text, 0, split), &why);
        CHECK(format != NULL || why != NULL);
        if (format != NULL) {
            IGNORE(func__timefmt_parse(format, str_slice(text, split + 1, text.len), &instant));
        }
    }
}

static void escapes_try(struct arena *arena, str text)
{
    str out;
    bool is_found;
    for (int plus = 0; plus < 2; plus++) {
        if (http_decode(arena, text, plus == 1, &out) == OK) {
            CHECK(out.len <= text.len && str_find_byte(out, 0, 0) < 0);
        }
    }
    IGNORE(http_param(arena, text, STR("a"), &out, &is_found));
    u8 *bytes = arena_alloc(arena, text.len + 4);
    isize count;
    if (base64_decode(text, bytes, &count) == OK) {
        u8 *back = arena_alloc(arena, text.len + 4);
        base64_encode(str_from(bytes, count), back);
        CHECK(str_eq(text, str_from(back, base64_encoded_bytes(count))));
    }
    enum compress_kind kind;
    IGNORE(compress_kind_parse(text, &kind));
}

static void options_try(struct arena *arena, str text)
{
    struct kinesis_faults faults;
    struct diag diag;
    diag_init(&diag);
    const char *word = arena_cstr(arena, text);
    IGNORE(kinesis_faults_read(word, word, 1, &faults, &diag)); /* Must only not crash. */
    diag_init(&diag);
    IGNORE(kinesis_faults_read("0", word, 1, &faults, &diag));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    str text = str_from(data, (isize)size);
    streams_try(text);
    times_try(&arena, text);
    escapes_try(&arena, text);
    options_try(&arena, text);
    arena_deinit(&arena);
    return 0;
}
