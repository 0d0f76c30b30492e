/* codec/json_rows.c: messages to rows of members, and columns of vectors. */
#include "codec/json_rows_int.h"

#include "base/buf.h"
#include "base/cal.h"

enum { CACHE_LINE_BYTES = 64, PREFETCH_BYTES_MAX = 4096 };

struct json_rows *json_rows_new(const struct type_field *fields, isize count,
                                const struct json_rows_options *options)
{
    struct json_rows *rows = NEW(struct json_rows);
    rows->fields = fields;
    rows->count = count;
    rows->options = *options;
    rows->layout.level = json__best_level();
    return rows;
}

void json_rows_free(struct json_rows *rows)
{
    if (rows != NULL) {
        mem_free(rows->layout.gaps);
        mem_free(rows);
    }
}

static struct json_issue *issue_add(struct json_scan *scan, struct arena *arena)
{
    scan->issues =
        arena_grow(arena, scan->issues, scan->issue_count, (isize)sizeof(struct json_issue));
    return &scan->issues[scan->issue_count++];
}

/* --- scan
 * -------------------------------------------------------------------------------------------- */

/* The column of this name. Rows of one producer have their members in one order: the column after
 * the last one found is tried first. */
isize json__find_column(const struct json_rows *rows, str name, isize *expected)
{
    isize at = *expected;
    for (isize i = 0; i < rows->count; i++) {
        if (at >= rows->count) {
            at = 0;
        }
        if (str_eq(rows->fields[at].name, name)) {
            *expected = at + 1;
            return at;
        }
        at++;
    }
    return -1;
}

struct scanning {
    struct json_rows *rows;
    struct arena *arena;
    bool has_high; /* The message may hold bytes above 0x7F. */
    struct json_scan *scan;
    isize count;           /* Of the messages given. */
    struct json_lane next; /* Of message next_message, taken along with the one before it. */
    const u8 *next_start;
    isize next_message; /* -1 = none. */
};

static struct json_lane lane_of(const struct scanning *s, struct json_cursor c,
                                struct json_member *members)
{
    memset(members, 0, (size_t)s->rows->count * sizeof *members);
    return (struct json_lane){.c = c, .members = members};
}

/* Two rows at a time are not the one ascending walk that the CPU fetches ahead for by itself. */
static void prefetch(const struct scanning *s, isize message)
{
    str text = message < s->count ? s->scan->messages[message] : STR_EMPTY;
    isize bytes = MIN(text.len, PREFETCH_BYTES_MAX);
    for (isize at = 0; at < bytes; at += CACHE_LINE_BYTES) {
        __builtin_prefetch(text.data + at);
    }
}

/* The row at c along the learned layout, and the next message's with it when that looks alike. */
static struct json_lane layout_take(struct scanning *s, isize message, struct json_cursor c,
                                    struct json_member *members)
{
    if (s->next_message == message && s->next_start == c.at) {
        struct json_lane lane = s->next;
        memcpy(members, lane.members, (size_t)s->rows->count * sizeof *members);
        s->next_message = -1;
        return lane;
    }
    struct json_lane lanes[2] = {lane_of(s, c, members)};
    str next = message + 1 < s->count ? s->scan->messages[message + 1] : STR_EMPTY;
    bool is_pair = next.len > 0 && next.data[0] == '{' && s->rows->layout.count > 0;
    if (is_pair) {
        prefetch(s, message + 2);
        prefetch(s, message + 3);
        struct json_cursor start = {next.data, next.data + next.len, next.data, NULL};
        lanes[1] = lane_of(s, start, s->next.members);
    }
    json__template_take(&s->rows->layout, lanes, is_pair ? 2 : 1);
    if (is_pair) {
        s->next = lanes[1];
        s->next_start = next.data;
        s->next_message = message + 1;
    }
    return lanes[0];
}

/* c->at at '{'. Members go to `out`. Sets has_high. */
static bool row_scan(struct scanning *s, isize message, struct json_cursor *c,
                     struct json_member *out)
{
    struct json_rows *rows = s->rows;
    struct json_cursor start = *c;
    struct json_lane lane = layout_take(s, message, start, out);
    *c = lane.c;
    bool is_first = lane.taken == 0 && c->error == NULL;
    c->at += is_first;
    struct json_member name, value;
    isize expected = 0;
    bool is_known = lane.taken > 0;
    while (c->error == NULL && json__next_member(c, 1, is_first, &name, &value)) {
        is_first = is_known = false;
        isize column = json__find_column(rows, json__member_text(&name, s->arena), &expected);
        if (column >= 0) {
            out[column] = value; /* The last of several wins. */
        }
    }
    if (c->error != NULL) {
        return false;
    }
    s->has_high = s->has_high || lane.high != 0 || !is_known;
    json__template_note(rows, lane.taken, start, s->arena);
    return true;
}

/* Room for so many rows: as many as there are messages, more only for arrays of rows. */
static void rows_reserve(struct scanning *s, isize capacity)
{
    struct json_scan *scan = s->scan;
    isize row_bytes = MAX(s->rows->count, 1) * (isize)sizeof(struct json_member);
    const u32 *message_of = scan->message_of;
    const struct json_member *members = scan->members;
    scan->row_capacity = MIN(MAX(capacity, 1), BATCH_ROWS_MAX);
    scan->message_of = ARENA_ARRAY(s->arena, u32, scan->row_capacity);
    scan->members = arena_array(s->arena, scan->row_capacity, row_bytes);
    if (scan->row_count > 0) {
        memcpy(scan->message_of, message_of, (size_t)scan->row_count * sizeof *message_of);
        memcpy(scan->members, members, (size_t)(scan->row_count * row_bytes));
    }
}

static struct json_member *row_add(struct scanning *s, isize message)
{
    struct json_scan *scan = s->scan;
    CHECK(scan->row_count < BATCH_ROWS_MAX);
    if (scan->row_count == scan->row_capacity) {
        rows_reserve(s, scan->row_capacity * 2);
    }
    struct json_member *members = scan->members + scan->row_count * s->rows->count;
    scan->message_of[scan->row_count++] = (u32)message;
    return members;
}

static void message_issue(struct scanning *s, isize message, const struct json_cursor *c,
                          enum json_issue_kind kind, const char *text)
{
    *issue_add(s->scan, s->arena) = (struct json_issue){
        .kind = kind,
        .message = message,
        .row = -1,
        .column = -1,
        .offset = c->at - c->start,
        .text = str_of(text),
    };
}

/* One object. c->at at '{'. False: an error; the row is taken back. */
static bool object_scan(struct scanning *s, isize message, struct json_cursor *c)
{
    isize before = s->scan->row_count;
    if (!row_scan(s, message, c, row_add(s, message))) {
        s->scan->row_count = before;
        return false;
    }
    return true;
}

/* A top-level array gives a row for each object. c->at at '['. */
static bool array_scan(struct scanning *s, isize message, struct json_cursor *c)
{
    c->at++;
    bool is_first = true;
    for (;;) {
        json__skip_blanks(c);
        if (c->at < c->end && *c->at == ']') {
            c->at++;
            return true;
        }
        if (!is_first) {
            if (c->at == c->end || *c->at != ',') {
                c->error = "Unexpected character: was expecting comma to separate Array entries";
                return false;
            }
            c->at++;
            json__skip_blanks(c);
        }
        is_first = false;
        if (c->at == c->end || *c->at != '{') {
            c->error = "only an object can be a row";
            return false;
        }
        if (s->scan->row_count == BATCH_ROWS_MAX) {
            c->error = "a message may hold at most 2048 rows";
            return false;
        }
        if (!object_scan(s, message, c)) {
            return false;
        }
    }
}

/* True when only blanks (or null) are left. */
static bool is_nothing(struct json_cursor *c)
{
    struct json_cursor rest = *c;
    json__skip_blanks(&rest);
    if (rest.end - rest.at >= 4 && memcmp(rest.at, "null", 4) == 0) {
        rest.at += 4;
        json__skip_blanks(&rest);
    }
    return rest.at == rest.end;
}

static void message_scan(struct scanning *s, isize message)
{
    str text = s->scan->messages[message];
    struct json_cursor c = {text.data, text.data + text.len, text.data, NULL};
    static const u8 mark[] = {0xEF, 0xBB, 0xBF};
    if (text.len >= 3 && memcmp(text.data, mark, 3) == 0) {
        c.at += 3;
    }
    if (is_nothing(&c)) {
        s->scan->empty_count++;
        return;
    }
    json__skip_blanks(&c);
    isize before = s->scan->row_count;
    bool is_array = *c.at == '[';
    bool is_good = false;
    s->has_high = is_array;
    if (is_array) {
        is_good = array_scan(s, message, &c);
    } else if (*c.at == '{') {
        is_good = object_scan(s, message, &c);
    } else {
        c.error = "only an object can be a row";
    }
    if (is_good && s->has_high && !str_is_utf8(str_from(text.data, c.at - text.data))) {
        is_good = false;
        c.error = "Invalid UTF-8";
    }
    if (!is_good) {
        s->scan->row_count = before;
        message_issue(s, message, &c, JSON_ISSUE_MESSAGE, c.error);
        return;
    }
    json__skip_blanks(&c);
    if (c.at < c.end) {
        message_issue(s, message, &c, JSON_ISSUE_TRAILING, "bytes follow the first object");
    }
}

void json_rows_scan(struct json_rows *rows, const str *messages, isize count, struct arena *arena,
                    struct json_scan *out)
{
    *out = (struct json_scan){.messages = messages, .field_count = rows->count};
    struct scanning scanning = {
        .rows = rows, .arena = arena, .scan = out, .count = count, .next_message = -1};
    scanning.next.members = ARENA_ARRAY(arena, struct json_member, MAX(rows->count, 1));
    rows_reserve(&scanning, count);
    while (out->message_count < count && out->row_count < BATCH_ROWS_MAX) {
        isize before = out->row_count, issues = out->issue_count;
        message_scan(&scanning, out->message_count);
        bool is_too_many = out->row_count == before && out->issue_count > issues && before > 0 &&
                           str_eq(out->issues[out->issue_count - 1].text,
                                  STR("a message may hold at most 2048 rows"));
        if (is_too_many) {
            out->issue_count = issues; /* It fits into a batch of its own. */
            return;
        }
        out->message_count++;
    }
}

/* --- fill
 * ---------------------------------------------------------------------------------------------- */

struct filling {
    const struct json_rows *rows;
    struct json_scan *scan;
    isize column;
    struct arena *arena;
    struct vec *out;
};

static void field_issue(struct filling *f, isize row, const struct json_member *member,
                        const char *text)
{
    isize message = f->scan->message_of[row];
    const u8 *start = f->scan->messages[message].data;
    vec_set_null(f->out, f->arena, row);
    *issue_add(f->scan, f->arena) = (struct json_issue){
        .kind = JSON_ISSUE_FIELD,
        .message = message,
        .row = row,
        .column = f->column,
        .offset = member->data == NULL ? 0 : member->data - start,
        .text = arena_printf(f->arena, "Fail to deserialize at field: " STR_FMT ". %s",
                             STR_ARG(f->rows->fields[f->column].name), text),
    };
}

/* Any type, by way of a value. */
static void fill_value(struct filling *f, isize row, const struct json_member *member)
{
    struct value value;
    const char *problem =
        json__decode(f->rows, f->rows->fields[f->column].type, member, f->arena, &value);
    if (problem != NULL) {
        field_issue(f, row, member, problem);
    } else {
        vec_set(f->out, f->arena, row, &value);
    }
}

static void fill_text(struct filling *f, isize row, const struct json_member *member)
{
    if (member->kind == JSON_MEMBER_STRING || member->kind == JSON_MEMBER_ESCAPED) {
        VEC(struct strview, f->out)[row] = strview_of(json__member_text(member, f->arena));
    } else {
        fill_value(f, row, member);
    }
}

static void fill_bigint(struct filling *f, isize row, const struct json_member *member)
{
    i64 number;
    bool is_short = member->len > 0 && member->len < 19 &&
                    (member->kind == JSON_MEMBER_STRING || member->kind == JSON_MEMBER_NUMBER);
    number = 0;
    for (u32 i = 0; is_short && i < member->len; i++) {
        u8 digit = (u8)(member->data[i] - '0');
        is_short = digit <= 9;
        number = number * 10 + digit;
    }
    if (is_short) {
        VEC(i64, f->out)[row] = number;
    } else {
        fill_value(f, row, member);
    }
}

/* Two digits; *bad becomes other than 0 when they are none. */
static inline i32 two_digits(const u8 *p, u32 *bad)
{
    u32 high = (u32)p[0] - '0', low = (u32)p[1] - '0';
    *bad |= (u32)(high > 9) | (u32)(low > 9);
    return (i32)(high * 10 + low);
}

/* "2026-11-24T01:02:03[.f]" with up to six digits f. False: json__decode has to say. */
static bool parse_stamp(const u8 *p, isize len, u8 mark, struct cal *out)
{
    u32 bad = 0, fraction = 0, unit = 100000000;
    if (len < 19 || len > 26 || p[4] != '-' || p[7] != '-' || p[10] != mark || p[13] != ':' ||
        p[16] != ':') {
        return false;
    }
    out->year = two_digits(p, &bad) * 100 + two_digits(p + 2, &bad);
    out->month = two_digits(p + 5, &bad);
    out->day = two_digits(p + 8, &bad);
    out->hour = two_digits(p + 11, &bad);
    out->minute = two_digits(p + 14, &bad);
    out->second = two_digits(p + 17, &bad);
    bad |= len > 19 && (p[19] != '.' || len == 20);
    for (isize i = 20; i < len; i++, unit /= 10) {
        bad |= (u32)p[i] - '0' > 9;
        fraction += ((u32)p[i] - '0') * unit;
    }
    out->nanos = (i32)fraction;
    return bad == 0 && out->month >= 1 && out->month <= 12 && out->day >= 1 &&
           (out->day <= 28 || out->day <= cal_month_days(out->year, out->month)) &&
           out->hour <= 23 && out->minute <= 59 && out->second <= 59;
}

static void fill_timestamp(struct filling *f, isize row, const struct json_member *member)
{
    static const i32 units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    const struct type *type = f->rows->fields[f->column].type;
    bool is_zoned = type->kind == TYPE_TIMESTAMP_LTZ;
    isize len = (isize)member->len - is_zoned;
    struct cal cal;
    bool is_plain =
        type->precision <= 6 && member->kind == JSON_MEMBER_STRING && len >= 0 &&
        (!is_zoned || member->data[len] == 'Z') &&
        parse_stamp(member->data, len, f->rows->options.is_iso_timestamps ? 'T' : ' ', &cal);
    if (!is_plain) {
        fill_value(f, row, member);
        return;
    }
    i64 us = cal_to_us(&cal);
    VEC(i64, f->out)[row] = us - cal.nanos / 1000 % units[type->precision];
}

void json_rows_fill(const struct json_rows *rows, struct json_scan *scan, isize column,
                    const struct sel *sel, struct arena *arena, struct vec *out)
{
    const struct type *type = rows->fields[column].type;
    vec_init(out, arena, type, scan->row_count, false);
    struct filling f = {rows, scan, column, arena, out};
    /* The general level takes no short way: the others are held against it. */
    bool is_general = rows->layout.level == JSON_LEVEL_GENERAL;
    enum type_kind kind = is_general ? TYPE_ROW : type->kind;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        const struct json_member *member = &scan->members[row * scan->field_count + column];
        if (member->kind <= JSON_MEMBER_NULL) {
            bool is_missing =
                member->kind == JSON_MEMBER_ABSENT && rows->options.fails_on_missing_field;
            if (is_missing) {
                field_issue(&f, row, member, "Could not find field with this name.");
            } else {
                vec_set_null(out, arena, row);
            }
            continue;
        }
        switch (kind) {
        case TYPE_VARCHAR:
        case TYPE_CHAR:
            fill_text(&f, row, member);
            break;
        case TYPE_BIGINT:
            fill_bigint(&f, row, member);
            break;
        case TYPE_TIMESTAMP:
        case TYPE_TIMESTAMP_LTZ:
            fill_timestamp(&f, row, member);
            break;
        default:
            fill_value(&f, row, member);
        }
    }
}
