/*
 * codec/csv.c: the reader. One pass over the bytes: a mask of the special ones for every
 * 16 bytes, and a state machine that sees only those. The fields of a row are kept as
 * offsets from its start, so that the buffer may move while a row is not complete.
 */
#include "codec/csv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { RAW_SHOWN_MAX = 64 << 10, STEP = 16 };

enum state {
    AT_FIELD,  /* At the first byte of a field. */
    IN_FIELD,  /* Unquoted. */
    IN_QUOTES, /* Behind the opening quote. */
    AT_QUOTE,  /* Behind a quote inside quotes: closing, or one half of a pair. */
};

struct piece {
    u32 start, end;
    bool has_escapes;
};

struct csv_reader {
    struct csv_options options;
    struct buf buf;
    isize row_start, at; /* In buf: the row being read, and the next byte to look at. */
    u64 offset;          /* Of row_start in the stream. */
    u64 line;            /* Of row_start. */
    enum state state;
    bool is_finished, is_started;
    bool is_skipping;  /* The rest of a line that is passed over. */
    bool is_behind_cr; /* A LF now belongs to the line end before. */
    bool has_quotes;   /* In this row. */
    isize field_start; /* From row_start, as are the pieces. */
    bool has_escapes;
    struct piece *pieces;
    str *fields;
    isize count, capacity;
    const char *problem;
    isize problem_column;
};

err csv_reader_new(const struct csv_options *options, struct csv_reader **out, struct diag *diag)
{
    struct csv_options o = *options;
    o.delimiter = o.delimiter == 0 ? ',' : o.delimiter;
    o.quote = o.quote == 0 ? '"' : o.quote;
    bool is_same = (!o.has_no_quotes && o.delimiter == o.quote) || o.delimiter == o.escape ||
                   (!o.has_no_quotes && o.quote == o.escape);
    bool is_line_end = o.delimiter == '\n' || o.delimiter == '\r' || o.quote == '\n' ||
                       o.quote == '\r' || o.escape == '\n' || o.escape == '\r';
    if (is_same || is_line_end) {
        return diag_set(diag, ERR_INVALID, "CSV0001",
                        "delimiter, quote and escape character of CSV must differ from each other "
                        "and from line ends");
    }
    struct csv_reader *reader = NEW(struct csv_reader);
    reader->options = o;
    reader->line = 1;
    *out = reader;
    return OK;
}

void csv_reader_free(struct csv_reader *reader)
{
    if (reader != NULL) {
        buf_deinit(&reader->buf);
        mem_free(reader->pieces);
        mem_free(reader->fields);
        mem_free(reader);
    }
}

u64 csv_reader_line(const struct csv_reader *reader)
{
    return reader->line;
}

void csv_reader_resume(struct csv_reader *reader, u64 offset, u64 line)
{
    reader->offset = offset;
    reader->line = line;
}

void csv_reader_feed(struct csv_reader *reader, str bytes)
{
    CHECK(!reader->is_finished);
    struct buf *buf = &reader->buf;
    if (reader->row_start > 0) {
        memmove(buf->data, buf->data + reader->row_start, (size_t)(buf->len - reader->row_start));
        buf->len -= reader->row_start;
        reader->at -= reader->row_start;
        reader->row_start = 0;
    }
    buf_append(buf, bytes);
}

void csv_reader_finish(struct csv_reader *reader)
{
    reader->is_finished = true;
}

/* --- scanning
 * ------------------------------------------------------------------------------------------- */

/* The next byte that means something in this state, or the end. */
static isize next_special(const struct csv_reader *reader, isize at)
{
    const struct csv_options *o = &reader->options;
    const u8 *data = reader->buf.data;
    isize end = reader->buf.len;
    bool is_quoted = reader->state == IN_QUOTES;
    u8 first = is_quoted ? o->quote : o->delimiter;
    u8 second = is_quoted ? o->quote : '\n', third = is_quoted ? o->quote : '\r';
    u8 fourth = o->escape != 0 ? o->escape : first;
#ifdef __SSE2__
    const __m128i a = _mm_set1_epi8((char)first), b = _mm_set1_epi8((char)second);
    const __m128i c = _mm_set1_epi8((char)third), d = _mm_set1_epi8((char)fourth);
    for (; end - at >= STEP; at += STEP) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i found =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, a), _mm_cmpeq_epi8(bytes, b)),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, c), _mm_cmpeq_epi8(bytes, d)));
        int mask = _mm_movemask_epi8(found);
        if (mask != 0) {
            return at + __builtin_ctz((unsigned)mask);
        }
    }
#endif
    while (at < end && data[at] != first && data[at] != second && data[at] != third &&
           data[at] != fourth) {
        at++;
    }
    return at;
}

static void row_problem(struct csv_reader *reader, const char *problem)
{
    if (reader->problem == NULL) {
        reader->problem = problem;
        reader->problem_column = reader->count;
    }
}

static void field_end(struct csv_reader *reader, isize end)
{
    if (reader->count == CSV_FIELDS_MAX) {
        row_problem(reader, "more than 16384 fields in a row");
        return;
    }
    if (reader->count == reader->capacity) {
        reader->capacity = MAX(64, reader->capacity * 2);
        reader->pieces =
            mem_resize(reader->pieces, reader->capacity * (isize)sizeof *reader->pieces);
        reader->fields =
            mem_resize(reader->fields, reader->capacity * (isize)sizeof *reader->fields);
    }
    reader->pieces[reader->count++] =
        (struct piece){(u32)reader->field_start, (u32)end, reader->has_escapes};
    reader->has_escapes = false;
}

/* Doubled quotes and escape characters are taken out in place. */
static str unescape(struct csv_reader *reader, struct piece piece)
{
    u8 *start = reader->buf.data + reader->row_start + piece.start;
    isize len = (isize)(piece.end - piece.start), kept = 0;
    const struct csv_options *o = &reader->options;
    for (isize i = 0; i < len; i++) {
        bool is_pair =
            !o->has_no_quotes && start[i] == o->quote && i + 1 < len && start[i + 1] == o->quote;
        bool is_escape = o->escape != 0 && start[i] == o->escape && i + 1 < len;
        i += is_pair || is_escape;
        start[kept++] = start[i];
    }
    return str_from(start, kept);
}

/* One step of the machine at the special byte `at`. True at a line end outside quotes. */
static bool step(struct csv_reader *reader, u8 byte)
{
    const struct csv_options *o = &reader->options;
    isize from_row = reader->at - reader->row_start;
    bool is_line_end = byte == '\n' || byte == '\r';
    if (reader->state == IN_QUOTES) {
        bool is_escape = o->escape != 0 && byte == o->escape;
        reader->state = is_escape ? IN_QUOTES : AT_QUOTE;
        reader->has_escapes = reader->has_escapes || is_escape;
        reader->at += 1 + is_escape;
        return false;
    }
    if (reader->state == AT_QUOTE) {
        if (byte == o->quote) {
            reader->has_escapes = true;
            reader->state = IN_QUOTES;
            reader->at++;
            return false;
        }
        if (byte != o->delimiter && !is_line_end) {
            row_problem(reader, "text stands behind a closing quote");
            reader->state = IN_FIELD;
            reader->at++;
            return false;
        }
        from_row--;
    } else if (o->escape != 0 && byte == o->escape) {
        reader->has_escapes = true;
        reader->state = IN_FIELD;
        reader->at += 2;
        return false;
    }
    field_end(reader, from_row);
    reader->at++;
    reader->state = AT_FIELD;
    reader->field_start = reader->at - reader->row_start;
    return is_line_end;
}

/* --- rows
 * -----------------------------------------------------------------------------------------------
 */

static u64 count_lines(const u8 *data, isize len)
{
    u64 lines = 0;
    for (isize i = 0; i < len; i++) {
        lines += data[i] == '\n' || (data[i] == '\r' && (i + 1 == len || data[i + 1] != '\n'));
    }
    return lines;
}

static void row_begin(struct csv_reader *reader, isize start, bool is_one_line)
{
    u8 *data = reader->buf.data + reader->row_start;
    isize passed = start - reader->row_start;
    reader->line += is_one_line ? 1 : count_lines(data, passed);
    reader->offset += (u64)passed;
    reader->row_start = reader->at = start;
    reader->state = AT_FIELD;
    reader->field_start = 0;
    reader->has_escapes = false;
    reader->count = 0;
    reader->problem = NULL;
    reader->problem_column = 0;
    reader->has_quotes = false;
}

/* Behind the line end at `at - 1`: a CR takes the LF after it. False: the next byte is not here
 * yet. */
static bool line_end_complete(struct csv_reader *reader)
{
    const struct buf *buf = &reader->buf;
    if (buf->data[reader->at - 1] != '\r') {
        return true;
    }
    if (reader->at == buf->len) {
        return reader->is_finished;
    }
    reader->at += buf->data[reader->at] == '\n';
    return true;
}

/* A bad row ends with its first line (from `from`); without one in the buffer, the rest is skipped
 * as it comes. */
static void pass_line(struct csv_reader *reader, isize from)
{
    const struct buf *buf = &reader->buf;
    isize at = from;
    while (at < buf->len && buf->data[at] != '\n' && buf->data[at] != '\r') {
        at++;
    }
    reader->is_skipping = at == buf->len && !reader->is_finished;
    reader->at = MIN(at + 1, buf->len);
    reader->is_behind_cr = at < buf->len && buf->data[at] == '\r';
}

static void row_describe(struct csv_reader *reader, isize end, struct csv_row *out)
{
    str raw = str_from(reader->buf.data + reader->row_start, end - reader->row_start);
    while (raw.len > 0 && (raw.data[raw.len - 1] == '\n' || raw.data[raw.len - 1] == '\r')) {
        raw.len--;
    }
    *out = (struct csv_row){
        .line = reader->line,
        .offset = reader->offset,
        .end_offset = reader->offset + (u64)(end - reader->row_start),
        .column = reader->problem_column,
        .problem = reader->problem,
        .raw = reader->problem != NULL ? str_slice(raw, 0, RAW_SHOWN_MAX) : raw,
    };
}

static err row_bad(struct csv_reader *reader, isize from, struct csv_row *out)
{
    pass_line(reader, from);
    row_describe(reader, reader->at, out);
    row_begin(reader, reader->at, false);
    return ERR_INVALID;
}

/* The row ends at reader->at. */
static err row_good(struct csv_reader *reader, struct csv_row *out)
{
    row_describe(reader, reader->at, out);
    const u8 *data = reader->buf.data + reader->row_start;
    for (isize i = 0; i < reader->count; i++) {
        struct piece p = reader->pieces[i];
        reader->fields[i] =
            p.has_escapes ? unescape(reader, p) : str_from(data + p.start, p.end - p.start);
    }
    out->fields = reader->fields;
    out->count = reader->count;
    row_begin(reader, reader->at, !reader->has_quotes);
    return OK;
}

static err row_finish(struct csv_reader *reader, struct csv_row *out)
{
    str row = str_from(reader->buf.data + reader->row_start, reader->at - reader->row_start);
    if (reader->problem == NULL && memchr(row.data, 0, (size_t)row.len) != NULL) {
        row_problem(reader, "a NUL byte");
    }
    if (reader->problem == NULL && !str_is_utf8(row)) {
        row_problem(reader, "bytes that are not UTF-8");
    }
    for (isize i = 0; reader->problem == NULL && i < reader->count; i++) {
        if (reader->pieces[i].end - reader->pieces[i].start > CSV_FIELD_BYTES_MAX) {
            row_problem(reader, "a field of more than 1 MiB");
            reader->problem_column = i;
        }
    }
    if (reader->problem != NULL) {
        row_describe(reader, reader->at, out);
        row_begin(reader, reader->at, false);
        return ERR_INVALID;
    }
    return row_good(reader, out);
}

/* Passes a byte order mark, blank lines and comments. False: more bytes are needed to say. */
static bool lead_skip(struct csv_reader *reader)
{
    const struct buf *buf = &reader->buf;
    static const u8 mark[] = {0xEF, 0xBB, 0xBF};
    if (!reader->is_started && reader->offset == 0) {
        isize some = MIN(buf->len, 3);
        bool may_be_mark = buf->len > 0 && memcmp(buf->data, mark, (size_t)some) == 0;
        if (buf->len == 0 || (may_be_mark && some < 3 && !reader->is_finished)) {
            return reader->is_finished;
        }
        reader->is_started = true;
        if (may_be_mark && some == 3) {
            row_begin(reader, 3, false);
        }
    }
    reader->is_started = true;
    for (;;) {
        isize at = reader->row_start;
        if (at == buf->len) {
            return true;
        }
        bool is_late_lf = reader->is_behind_cr && buf->data[at] == '\n';
        reader->is_behind_cr = false;
        if (is_late_lf) {
            row_begin(reader, at + 1, false);
            reader->line--; /* Counted at its CR. */
            continue;
        }
        bool is_comment = reader->options.allows_comments && buf->data[at] == '#';
        if (reader->is_skipping || is_comment) {
            pass_line(reader, at);
            row_begin(reader, reader->at, false);
        } else if (buf->data[at] == '\n' || buf->data[at] == '\r') {
            reader->is_behind_cr = buf->data[at] == '\r';
            row_begin(reader, at + 1, false);
        } else {
            return true;
        }
    }
}

/* What stands at the end of the stream. */
static err last_row(struct csv_reader *reader, struct csv_row *out)
{
    if (reader->at == reader->row_start) {
        return ERR_END;
    }
    if (reader->state == IN_QUOTES) {
        row_problem(reader, "a quote is not closed before the end");
        return row_bad(reader, reader->row_start, out);
    }
    reader->at = reader->buf.len;
    field_end(reader, reader->at - reader->row_start - (reader->state == AT_QUOTE));
    return row_finish(reader, out);
}

/* Takes the quote that opens a field, and moves to the next byte that matters. False: the end of
 * what is here. */
static bool advance(struct csv_reader *reader)
{
    const struct csv_options *o = &reader->options;
    if (reader->state == AT_FIELD && reader->at < reader->buf.len) {
        bool is_quote = !o->has_no_quotes && reader->buf.data[reader->at] == o->quote;
        reader->state = is_quote ? IN_QUOTES : IN_FIELD;
        reader->has_quotes = reader->has_quotes || is_quote;
        reader->at += is_quote;
        reader->field_start += is_quote;
    }
    if (reader->state != AT_QUOTE && reader->at < reader->buf.len) {
        reader->at = next_special(reader, reader->at);
    }
    return reader->at < reader->buf.len;
}

#ifdef __SSE2__
/* The common case, one block after the other: fields without quotes up to a LF. True when the row
 * is complete; else the reader stands at the start of the field that the machine has to take. */
static bool scan_plain(struct csv_reader *reader)
{
    const struct csv_options *o = &reader->options;
    const u8 *data = reader->buf.data;
    isize start = reader->row_start, field = reader->at;
    isize end = MIN(reader->buf.len, start + CSV_ROW_BYTES_MAX);
    const __m128i a = _mm_set1_epi8((char)o->delimiter), b = _mm_set1_epi8('\n');
    const __m128i c = _mm_set1_epi8('\r'), d = _mm_set1_epi8((char)o->quote);
    for (isize at = field; end - at >= STEP; at += STEP) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i found =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, a), _mm_cmpeq_epi8(bytes, b)),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, c), _mm_cmpeq_epi8(bytes, d)));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);
        for (; mask != 0; mask &= mask - 1) {
            isize place = at + __builtin_ctz(mask);
            bool is_end = data[place] == '\n';
            if (!is_end && data[place] != o->delimiter) {
                return false;
            }
            reader->field_start = field - start;
            field_end(reader, place - start);
            reader->at = field = place + 1;
            reader->field_start = field - start;
            if (is_end) {
                return true;
            }
        }
    }
    return false;
}
#else
static bool scan_plain(struct csv_reader *reader)
{
    (void)reader; /* The machine takes every row. */
    return false;
}
#endif

err csv_reader_next(struct csv_reader *reader, struct csv_row *out)
{
    if (reader->at == reader->row_start && reader->state == AT_FIELD && !lead_skip(reader)) {
        return ERR_AGAIN;
    }
    bool is_plain = reader->state == AT_FIELD && reader->options.escape == 0;
    if (is_plain && scan_plain(reader)) {
        return row_finish(reader, out);
    }
    for (;;) {
        bool is_here = advance(reader);
        isize field = reader->at - reader->row_start - reader->field_start;
        bool is_long = field > CSV_FIELD_BYTES_MAX && reader->state == IN_QUOTES;
        if (is_long || reader->at - reader->row_start > CSV_ROW_BYTES_MAX) {
            row_problem(reader, is_long ? "a quote is not closed within 1 MiB"
                                        : "a row of more than 16 MiB");
            return row_bad(reader, reader->row_start, out);
        }
        if (!is_here && field > CSV_FIELD_BYTES_MAX) {
            row_problem(reader, "a field of more than 1 MiB");
            return row_bad(reader, reader->row_start, out);
        }
        if (!is_here) {
            return reader->is_finished ? last_row(reader, out) : ERR_AGAIN;
        }
        u8 byte = reader->buf.data[reader->at];
        bool is_open_end = byte == '\r' && reader->state != IN_QUOTES &&
                           reader->at + 1 == reader->buf.len && !reader->is_finished;
        bool is_open_escape = reader->options.escape != 0 && byte == reader->options.escape &&
                              reader->at + 1 == reader->buf.len;
        if (is_open_escape && reader->is_finished) {
            reader->at = reader->buf.len;
            return last_row(reader, out);
        }
        if (is_open_end || is_open_escape) {
            return ERR_AGAIN; /* What comes next decides. */
        }
        if (step(reader, byte) && line_end_complete(reader)) {
            return row_finish(reader, out);
        }
    }
}
