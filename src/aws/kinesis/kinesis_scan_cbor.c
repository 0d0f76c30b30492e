/*
 * aws/kinesis/kinesis_scan_cbor.c: the hot path of puts in CBOR. As kinesis_scan.c it
 * accepts what SDKs send and never decides on errors. Data is a slice of the body.
 */
#include "aws/kinesis/kinesis_int.h"
#include "codec/cbor.h"

static bool take_text(struct cbor_cursor *c, str *out)
{
    return out->data == NULL && cbor_take_string(c, CBOR_TEXT, out) && str_is_utf8(*out);
}

/* A member of a record; false for any other, for a second one, and for what is not plain. */
static bool take_member(struct cbor_cursor *c, str name, struct put_entry *entry)
{
    if (str_eq(name, STR("Data"))) {
        return entry->data.data == NULL && cbor_take_string(c, CBOR_BYTES, &entry->data);
    }
    if (str_eq(name, STR("PartitionKey"))) {
        return take_text(c, &entry->key);
    }
    if (str_eq(name, STR("ExplicitHashKey"))) {
        return take_text(c, &entry->hash) && entry->hash.len > 0;
    }
    return false;
}

static bool is_complete(const struct put_entry *entry)
{
    return entry->data.data != NULL && entry->key.len > 0;
}

static bool take_record(struct cbor_cursor *c, struct put_entry *entry)
{
    u64 count = 0;
    if (!cbor_take_head(c, CBOR_MAP, &count)) {
        return false;
    }
    while (cbor_take_next(c, &count)) {
        str name;
        if (!cbor_take_string(c, CBOR_TEXT, &name) || !take_member(c, name, entry)) {
            return false;
        }
    }
    return is_complete(entry);
}

static bool take_records(struct cbor_cursor *c, struct put_scan *out)
{
    u64 count = 0;
    if (out->count > 0 || !cbor_take_head(c, CBOR_LIST, &count)) {
        return false;
    }
    while (cbor_take_next(c, &count)) {
        if (out->count == KINESIS_PUT_RECORDS_MAX || !take_record(c, &out->entries[out->count])) {
            return false;
        }
        out->count++;
    }
    return true;
}

static bool take_request(struct cbor_cursor *c, bool is_batch, struct put_scan *out)
{
    u64 count = 0;
    if (!cbor_take_head(c, CBOR_MAP, &count)) {
        return false;
    }
    while (cbor_take_next(c, &count)) {
        str name;
        bool ok = cbor_take_string(c, CBOR_TEXT, &name);
        if (ok && str_eq(name, STR("StreamName"))) {
            ok = take_text(c, &out->stream_name);
        } else if (ok && str_eq(name, STR("StreamARN"))) {
            ok = take_text(c, &out->stream_arn);
        } else if (ok && is_batch && str_eq(name, STR("Records"))) {
            ok = take_records(c, out);
        } else if (ok) {
            ok = !is_batch && take_member(c, name, &out->entries[0]);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool kinesis__scan_put_cbor(struct arena *arena, str body, bool is_batch, struct put_scan *out)
{
    struct cbor_cursor cursor = {body.data, body.data + body.len};
    *out = (struct put_scan){0};
    out->entries = ARENA_ARRAY(arena, struct put_entry, is_batch ? KINESIS_PUT_RECORDS_MAX : 1);
    if (!take_request(&cursor, is_batch, out)) {
        return false;
    }
    if (!is_batch) {
        out->count = is_complete(&out->entries[0]) ? 1 : 0;
    }
    return cursor.at == cursor.end && out->count > 0;
}
