/* aws/kinesis/kinesis_rows.c */
#include "aws/kinesis/kinesis_rows.h"

#include "aws/kinesis/kinesis_answer.h"
#include "codec/base64.h"
#include "codec/cbor.h"

_Static_assert(ROWS_HEAD_MAX + ROWS_MIDDLE_MAX + ROWS_TAIL_MAX + 2 * CBOR_HEAD_MAX <= ROWS_ROOM,
               "what is fixed of a row fits into the room that it waits for");

/* --- templates ---------------------------------------------------------------------------------
 */

static void quote(struct answer *out)
{
    if (!out->is_cbor) {
        buf_append_byte(&out->buf, '"');
    }
}

static isize keep(struct answer *text, u8 *out, isize capacity)
{
    isize bytes = text->buf.len;
    CHECK(bytes <= capacity);
    memcpy(out, text->buf.data, (size_t)bytes);
    answer_deinit(text);
    return bytes;
}

/* With digits to be overwritten. */
static void make_head(struct rows *rows, i64 arrival_ms)
{
    static const char digits[] = "00000000000000000000000000000000000000000000000000000000";
    _Static_assert(sizeof digits - 1 == STREAM_SEQUENCE_DIGITS, "one for each digit");
    struct answer text = {.is_cbor = rows->is_cbor, .needs_comma = true};
    answer_open(&text, NULL);
    answer_put_plain(&text, "SequenceNumber", str_from(digits, STREAM_SEQUENCE_DIGITS));
    rows->digits_at = text.buf.len - STREAM_SEQUENCE_DIGITS - (rows->is_cbor ? 0 : 1);
    answer_put_time(&text, "ApproximateArrivalTimestamp", arrival_ms);
    answer_put_name(&text, "Data");
    quote(&text);
    rows->head_bytes = keep(&text, rows->head, ROWS_HEAD_MAX);
    rows->arrival_ms = arrival_ms;
}

void rows_init(struct rows *rows, struct stream *stream, u32 shard, const struct stream_page *page,
               bool is_cbor, bool is_encrypted)
{
    *rows = (struct rows){
        .stream = stream, .page = page, .shard = shard, .is_cbor = is_cbor, .arrival_ms = -1};
    stream_page_begin(page, &rows->cursor);
    struct answer text = {.is_cbor = is_cbor, .needs_comma = true};
    quote(&text);
    answer_put_name(&text, "PartitionKey");
    quote(&text);
    rows->middle_bytes = keep(&text, rows->middle, ROWS_MIDDLE_MAX);
    text = (struct answer){.is_cbor = is_cbor, .needs_comma = true};
    quote(&text);
    if (is_encrypted) {
        answer_put_text(&text, "EncryptionType", STR("KMS"));
    }
    answer_close(&text);
    rows->tail_bytes = keep(&text, rows->tail, ROWS_TAIL_MAX);
}

/* --- how much ----------------------------------------------------------------------------------
 */

static isize json_bytes(const struct stream_record *record)
{
    return base64_encoded_bytes(record->data.len) + answer_escaped_bytes(record->partition_key);
}

static isize cbor_bytes(const struct stream_record *record)
{
    isize data = record->data.len, key = record->partition_key.len;
    return cbor_head_bytes((u64)data) + data + cbor_head_bytes((u64)key) + key;
}

void rows_measure(bool is_cbor, struct stream_read_limits *limits)
{
    limits->measure = is_cbor ? cbor_bytes : json_bytes;
}

isize rows_bytes(struct rows *rows)
{
    CHECK(rows->index == 0 && rows->phase == ROWS_AT_HEAD);
    isize bytes = stream_page_measured(rows->page);
    if (stream_page_count(rows->page) > 0 && !rows->is_cbor) {
        bytes--; /* No comma before the first. */
    }
    i64 arrival_ms;
    isize count;
    for (isize i = 0; stream_page_arrival(rows->page, i, &arrival_ms, &count); i++) {
        if (arrival_ms != rows->arrival_ms) {
            make_head(rows, arrival_ms);
        }
        bytes += count * (rows->head_bytes + rows->middle_bytes + rows->tail_bytes);
    }
    return bytes;
}

bool rows_is_done(const struct rows *rows)
{
    return rows->index == stream_page_count(rows->page);
}

/* --- writing -----------------------------------------------------------------------------------
 */

/* What is fixed is copied with a length that the compiler knows: what is too much is overwritten.
 */
static u8 *put_head(struct rows *rows, const struct stream_row *row, u8 *at)
{
    if (row->no != rows->next_no || row->arrival_ms != rows->arrival_ms) {
        if (row->arrival_ms != rows->arrival_ms) {
            make_head(rows, row->arrival_ms);
        }
        stream_row_sequences(rows->stream, rows->shard, row->no, row->arrival_ms, &rows->sequences);
    }
    rows->next_no = row->no + 1;
    isize skip = rows->index == 0 && !rows->is_cbor ? 1 : 0;
    if (LIKELY(rows->head_bytes <= ROWS_HEAD_USUAL)) {
        memcpy(at, rows->head + skip, ROWS_HEAD_USUAL);
    } else {
        memcpy(at, rows->head + skip, (size_t)(rows->head_bytes - skip));
    }
    stream_sequences_next(&rows->sequences, (char *)at + rows->digits_at - skip);
    at += rows->head_bytes - skip;
    return rows->is_cbor ? at + cbor_write_head(at, CBOR_BYTES, (u64)row->record.data.len) : at;
}

enum { AHEAD_BYTES = 2048, AHEAD_MAX = 4096, LINE_BYTES = 64 };

/* Rows of a frame follow each other in memory: what comes is asked for while this is copied. */
static void fetch_ahead(str data)
{
    const u8 *from = data.data + AHEAD_BYTES;
    for (isize i = 0; i < MIN(data.len, AHEAD_MAX); i += LINE_BYTES) {
        __builtin_prefetch(from + i);
    }
}

/* As much of the data as there is room for. */
static u8 *put_data(struct rows *rows, str data, u8 *at, isize room)
{
    isize left = data.len - rows->done;
    isize part = MIN(left, rows->is_cbor ? room : room / 4 * 3); /* Padding at the end only. */
    if (part == 0) {
        return at;
    }
    if (rows->is_cbor) {
        memcpy(at, data.data + rows->done, (size_t)part);
        at += part;
    } else {
        base64_encode(str_slice(data, rows->done, rows->done + part), at);
        at += base64_encoded_bytes(part);
    }
    rows->done += part;
    return at;
}

static u8 *put_key(struct rows *rows, str key, u8 *at, isize room)
{
    isize left = key.len - rows->done;
    isize part = MIN(left, rows->is_cbor ? room : room / ANSWER_ESCAPE_MAX);
    str text = str_slice(key, rows->done, rows->done + part);
    if (!rows->is_cbor) {
        at = answer_escape(at, text);
    } else if (part > 0) {
        memcpy(at, text.data, (size_t)part);
        at += part;
    }
    rows->done += part;
    return at;
}

static u8 *put_middle(struct rows *rows, str key, u8 *at)
{
    memcpy(at, rows->middle, ROWS_MIDDLE_MAX);
    at += rows->middle_bytes;
    return rows->is_cbor ? at + cbor_write_head(at, CBOR_TEXT, (u64)key.len) : at;
}

/* Goes on with a row, up to its end or until less than ROWS_ROOM is left. */
static u8 *put_row(struct rows *rows, const struct stream_row *row, u8 *at, const u8 *end)
{
    str data = row->record.data, key = row->record.partition_key;
    if (rows->phase == ROWS_AT_HEAD) {
        at = put_head(rows, row, at);
        rows->phase = ROWS_IN_DATA;
        rows->done = 0;
    }
    if (rows->phase == ROWS_IN_DATA) {
        fetch_ahead(data);
        at = put_data(rows, data, at, end - at);
        if (rows->done < data.len || end - at < ROWS_ROOM) {
            return at;
        }
        at = put_middle(rows, key, at);
        rows->phase = ROWS_IN_KEY;
        rows->done = 0;
    }
    at = put_key(rows, key, at, end - at);
    if (rows->done < key.len || end - at < ROWS_TAIL_MAX) {
        return at;
    }
    memcpy(at, rows->tail, ROWS_TAIL_MAX);
    rows->phase = ROWS_AT_HEAD;
    rows->index++;
    return at + rows->tail_bytes;
}

isize rows_write(struct rows *rows, u8 *out, isize room)
{
    CHECK(room >= 2 * ROWS_ROOM);
    u8 *at = out;
    const u8 *end = out + room;
    isize count = stream_page_count(rows->page);
    while (rows->index < count && end - at >= ROWS_ROOM) {
        if (rows->phase == ROWS_AT_HEAD) {
            CHECK(stream_page_next(&rows->cursor, &rows->row));
        }
        at = put_row(rows, &rows->row, at, end);
    }
    CHECK(at <= end);
    return at - out;
}
