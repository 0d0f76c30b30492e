/*
 * aws/kinesis/kinesis_scan.c: the hot path of puts. A body of the form that every
 * SDK sends is cut into base64 and key slices in one pass; memchr does most of it.
 * It accepts a subset of what the document way accepts and never decides on errors.
 */
#include "aws/kinesis/kinesis_int.h"

struct scanner {
    const u8 *at, *end;
};

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) {
        s->at++;
    }
}

static bool take(struct scanner *s, u8 c)
{
    skip_blanks(s);
    if (s->at >= s->end || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

/* A string up to its quote; its bytes are checked by the caller. */
static bool take_raw(struct scanner *s, str *out)
{
    if (!take(s, '"')) {
        return false;
    }
    const u8 *quote = memchr(s->at, '"', (size_t)(s->end - s->at));
    if (quote == NULL) {
        return false;
    }
    *out = str_from(s->at, quote - s->at);
    s->at = quote + 1;
    return true;
}

/* A string without escapes or control characters, in UTF-8. */
static bool take_plain(struct scanner *s, str *out)
{
    if (!take_raw(s, out)) {
        return false;
    }
    u8 all = 0;
    for (isize i = 0; i < out->len; i++) {
        u8 c = out->data[i];
        all |= c;
        if (c < ' ' || c == '\\') {
            return false;
        }
    }
    return all < 128 || str_is_utf8(*out);
}

/* A member of a record; false for any other, for a second one, and for what is not plain. Data may
 * hold anything here: decoding the base64 checks each of its bytes. */
static bool take_member(struct scanner *s, str name, struct put_entry *entry)
{
    if (str_eq(name, STR("Data"))) {
        return entry->data.data == NULL && take_raw(s, &entry->data);
    }
    if (str_eq(name, STR("PartitionKey"))) {
        return entry->key.data == NULL && take_plain(s, &entry->key);
    }
    if (str_eq(name, STR("ExplicitHashKey"))) {
        return entry->hash.data == NULL && take_plain(s, &entry->hash) && entry->hash.len > 0;
    }
    return false;
}

static bool take_record(struct scanner *s, struct put_entry *entry)
{
    if (!take(s, '{')) {
        return false;
    }
    do {
        str name;
        if (!take_raw(s, &name) || !take(s, ':') || !take_member(s, name, entry)) {
            return false;
        }
    } while (take(s, ','));
    return take(s, '}') && entry->data.data != NULL && entry->key.len > 0;
}

static bool take_records(struct scanner *s, struct put_scan *out)
{
    if (out->count > 0 || !take(s, '[')) {
        return false;
    }
    do {
        if (out->count == KINESIS_PUT_RECORDS_MAX || !take_record(s, &out->entries[out->count])) {
            return false;
        }
        out->count++;
    } while (take(s, ','));
    return take(s, ']');
}

bool kinesis__scan_put(struct arena *arena, str body, bool is_batch, struct put_scan *out)
{
    struct scanner scanner = {body.data, body.data + body.len};
    struct scanner *s = &scanner;
    *out = (struct put_scan){0};
    out->entries = ARENA_ARRAY(arena, struct put_entry, is_batch ? KINESIS_PUT_RECORDS_MAX : 1);
    if (!take(s, '{')) {
        return false;
    }
    do {
        str name;
        bool ok = take_raw(s, &name) && take(s, ':');
        if (ok && str_eq(name, STR("StreamName"))) {
            ok = out->stream_name.data == NULL && take_plain(s, &out->stream_name);
        } else if (ok && str_eq(name, STR("StreamARN"))) {
            ok = out->stream_arn.data == NULL && take_plain(s, &out->stream_arn);
        } else if (ok && is_batch && str_eq(name, STR("Records"))) {
            ok = take_records(s, out);
        } else if (ok) {
            ok = !is_batch && take_member(s, name, &out->entries[0]);
        }
        if (!ok) {
            return false;
        }
    } while (take(s, ','));
    if (!take(s, '}')) {
        return false;
    }
    skip_blanks(s);
    if (!is_batch) {
        out->count = out->entries[0].data.data != NULL && out->entries[0].key.len > 0 ? 1 : 0;
    }
    return s->at == s->end && out->count > 0;
}
