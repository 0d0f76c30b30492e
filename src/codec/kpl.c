/*
 * codec/kpl.c: the producer library's aggregates, with just as much protobuf as they need.
 *
 *   message AggregatedRecord { repeated string partition_key_table = 1;
 *                              repeated string explicit_hash_key_table = 2;
 *                              repeated Record records = 3; }
 *   message Record { required uint64 partition_key_index = 1;
 *                    optional uint64 explicit_hash_key_index = 2;
 *                    required bytes data = 3;
 *                    repeated Tag tags = 4; }
 */
#include "codec/kpl.h"

#include <openssl/evp.h>

enum { MAGIC_BYTES = 4, DIGEST_BYTES = 16, KEYS_MAX = 131072, WRITE_BYTES_MAX = 1 << 20 };

static const u8 magic[MAGIC_BYTES] = {0xF3, 0x89, 0x9A, 0xC2};

static void md5(str bytes, u8 out[DIGEST_BYTES])
{
    unsigned len = DIGEST_BYTES;
    CHECK(EVP_Digest(bytes.data, (size_t)bytes.len, out, &len, EVP_md5(), NULL) == 1);
}

bool kpl_is_candidate(str data)
{
    return data.len > MAGIC_BYTES + DIGEST_BYTES && memcmp(data.data, magic, MAGIC_BYTES) == 0;
}

/* --- protobuf
 * --------------------------------------------------------------------------------------------- */

enum wire {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_END = 4,
    WIRE_32 = 5
};

struct field {
    u64 number;
    enum wire wire;
    u64 value; /* VARINT */
    str bytes; /* BYTES */
};

static bool take_bytes(str *in, u64 len, str *out)
{
    if (len > (u64)in->len) {
        return false;
    }
    *out = str_slice(*in, 0, (isize)len);
    *in = str_slice(*in, (isize)len, in->len);
    return true;
}

/* The next field; a group's contents are fields of their own. False: not protobuf. */
static bool take_field(str *in, struct field *out)
{
    u64 key, len;
    str fixed;
    *out = (struct field){0};
    if (varint_take(in, &key) != OK || key >> 3 == 0 || key >> 32 != 0) {
        return false;
    }
    out->number = key >> 3;
    out->wire = (enum wire)(key & 7);
    switch (out->wire) {
    case WIRE_VARINT:
        return varint_take(in, &out->value) == OK;
    case WIRE_64:
        return take_bytes(in, 8, &fixed);
    case WIRE_32:
        return take_bytes(in, 4, &fixed);
    case WIRE_BYTES:
        return varint_take(in, &len) == OK && take_bytes(in, len, &out->bytes);
    case WIRE_GROUP:
    case WIRE_END:
        return true;
    default:
        return false;
    }
}

/* Passes the rest of an unknown group. */
static bool skip_group(str *in, u64 number)
{
    u64 open[KPL_NESTING_MAX] = {number};
    int depth = 1;
    struct field field;
    while (depth > 0) {
        if (!take_field(in, &field)) {
            return false;
        }
        if (field.wire == WIRE_GROUP) {
            if (depth == KPL_NESTING_MAX) {
                return false;
            }
            open[depth++] = field.number;
        } else if (field.wire == WIRE_END) {
            if (open[--depth] != field.number) {
                return false;
            }
        }
    }
    return true;
}

/* The next field that is not part of a group. */
static bool take_outer(str *in, struct field *out)
{
    while (take_field(in, out)) {
        if (out->wire == WIRE_END) {
            return false;
        }
        if (out->wire != WIRE_GROUP) {
            return true;
        }
        if (!skip_group(in, out->number)) {
            return false;
        }
        if (in->len == 0) {
            *out = (struct field){.number = UINT32_MAX}; /* Nothing behind it. */
            return true;
        }
    }
    return false;
}

/* --- reading
 * --------------------------------------------------------------------------------------------- */

struct table {
    str *keys;
    isize count;
};

struct entry {
    u64 key, hash;
    bool has_key, has_hash, has_data;
    str data;
};

static bool take_entry(str in, struct entry *out)
{
    *out = (struct entry){0};
    while (in.len > 0) {
        struct field field;
        if (!take_outer(&in, &field)) {
            return false;
        }
        bool is_index = field.number <= 2, is_known = field.number <= 3;
        bool is_wrong = is_known && field.wire != (is_index ? WIRE_VARINT : WIRE_BYTES);
        if (is_wrong) {
            return false;
        }
        switch (field.number) {
        case 1:
            out->key = field.value;
            out->has_key = true;
            break;
        case 2:
            out->hash = field.value;
            out->has_hash = true;
            break;
        case 3:
            out->data = field.bytes;
            out->has_data = true;
            break;
        default:
            break; /* Tags, and what later versions add. */
        }
    }
    return out->has_key && out->has_data;
}

struct decoding {
    struct arena *arena;
    struct table keys, hashes;
    struct entry *entries;
    isize count;
};

static const char *add_key(struct decoding *d, struct table *table, str key)
{
    if (table->count == KEYS_MAX) {
        return "more than 131072 keys";
    }
    if (key.len > KPL_KEY_BYTES_MAX || !str_is_utf8(key)) {
        return "a key that is too long or not UTF-8";
    }
    table->keys = arena_grow(d->arena, table->keys, table->count, (isize)sizeof(str));
    table->keys[table->count++] = key;
    return NULL;
}

static const char *take_message(struct decoding *d, str in)
{
    while (in.len > 0) {
        struct field field;
        if (!take_outer(&in, &field)) {
            return "not protobuf";
        }
        if (field.number > 3) {
            continue;
        }
        if (field.wire != WIRE_BYTES) {
            return "a known field of another type";
        }
        if (field.number < 3) {
            const char *wrong = add_key(d, field.number == 1 ? &d->keys : &d->hashes, field.bytes);
            if (wrong != NULL) {
                return wrong;
            }
            continue;
        }
        if (d->count == KPL_RECORDS_MAX) {
            return "more than 524288 user records";
        }
        d->entries = arena_grow(d->arena, d->entries, d->count, (isize)sizeof(struct entry));
        if (!take_entry(field.bytes, &d->entries[d->count++])) {
            return "a user record that is not protobuf, or lacks its key or data";
        }
    }
    return NULL;
}

static const char *resolve(struct decoding *d, struct kpl_record *records)
{
    for (isize i = 0; i < d->count; i++) {
        const struct entry *entry = &d->entries[i];
        bool is_out = entry->key >= (u64)d->keys.count ||
                      (entry->has_hash && entry->hash >= (u64)d->hashes.count);
        if (is_out) {
            return "a key's index lies outside its table";
        }
        records[i].partition_key = d->keys.keys[entry->key];
        records[i].data = entry->data;
        if (entry->has_hash) {
            records[i].explicit_hash_key = d->hashes.keys[entry->hash];
        }
    }
    return NULL;
}

enum kpl_result kpl_decode(str data, struct arena *arena, struct kpl_record **records_out,
                           isize *count_out, const char **reason_out)
{
    if (!kpl_is_candidate(data)) {
        return KPL_PLAIN;
    }
    str message = str_slice(data, MAGIC_BYTES, data.len - DIGEST_BYTES);
    u8 digest[DIGEST_BYTES];
    md5(message, digest);
    const char *wrong = NULL;
    struct decoding d = {.arena = arena};
    struct kpl_record *records = NULL;
    if (memcmp(digest, message.data + message.len, DIGEST_BYTES) != 0) {
        wrong = "the digest does not fit";
    } else {
        wrong = take_message(&d, message);
    }
    if (wrong == NULL) {
        records = ARENA_ARRAY(arena, struct kpl_record, MAX(d.count, 1));
        wrong = resolve(&d, records);
    }
    if (wrong != NULL) {
        if (reason_out != NULL) {
            *reason_out = wrong;
        }
        return KPL_DAMAGED;
    }
    *records_out = records;
    *count_out = d.count;
    return KPL_AGGREGATE;
}

err kpl_hash_key(const struct kpl_record *record, u128 *out)
{
    u128 value = 0;
    str digits = record->explicit_hash_key;
    if (digits.len == 0) {
        u8 digest[DIGEST_BYTES];
        md5(record->partition_key, digest);
        for (int i = 0; i < DIGEST_BYTES; i++) {
            value = value << 8 | digest[i];
        }
        *out = value;
        return OK;
    }
    for (isize i = 0; i < digits.len; i++) {
        u8 digit = (u8)(digits.data[i] - '0');
        bool is_over = digit > 9 || value > (~(u128)0 - digit) / 10;
        if (is_over) {
            return ERR_RANGE;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return OK;
}

/* --- writing
 * --------------------------------------------------------------------------------------------- */

/* Tables of a handful of keys: looked through. Keys past it get an entry each. */
enum { LOOK_BACK = 64 };

struct kpl_writer {
    isize bytes_max;
    struct buf tables, records, scratch;
    struct arena arena;
    struct table keys, hashes;
    isize count;
};

struct kpl_writer *kpl_writer_new(isize bytes_max)
{
    struct kpl_writer *writer = NEW(struct kpl_writer);
    writer->bytes_max = MIN(bytes_max, WRITE_BYTES_MAX);
    return writer;
}

void kpl_writer_free(struct kpl_writer *writer)
{
    if (writer != NULL) {
        buf_deinit(&writer->tables);
        buf_deinit(&writer->records);
        buf_deinit(&writer->scratch);
        arena_deinit(&writer->arena);
        mem_free(writer);
    }
}

isize kpl_writer_count(const struct kpl_writer *writer)
{
    return writer->count;
}

static void put_bytes(struct buf *out, u64 number, str bytes)
{
    buf_append_varint(out, number << 3 | WIRE_BYTES);
    buf_append_varint(out, (u64)bytes.len);
    buf_append(out, bytes);
}

static void put_index(struct buf *out, u64 number, isize index)
{
    buf_append_varint(out, number << 3 | WIRE_VARINT);
    buf_append_varint(out, (u64)index);
}

/* Where the key stands in its table, or would be put. */
static isize key_find(const struct table *table, str key)
{
    isize from = MAX(0, table->count - LOOK_BACK);
    for (isize i = table->count - 1; i >= from; i--) {
        if (str_eq(table->keys[i], key)) {
            return i;
        }
    }
    return table->count;
}

static void key_add(struct kpl_writer *writer, struct table *table, u64 number, str key)
{
    table->keys = arena_grow(&writer->arena, table->keys, table->count, (isize)sizeof(str));
    table->keys[table->count++] = arena_copy(&writer->arena, key);
    put_bytes(&writer->tables, number, key);
}

err kpl_writer_add(struct kpl_writer *writer, const struct kpl_record *record)
{
    isize characters = 0;
    for (isize i = 0; i < record->partition_key.len; i++) {
        characters += (record->partition_key.data[i] & 0xC0) != 0x80;
    }
    if (characters < 1 || characters > 256 || !str_is_utf8(record->partition_key)) {
        return ERR_INVALID;
    }
    bool has_hash = record->explicit_hash_key.len > 0;
    isize key = key_find(&writer->keys, record->partition_key);
    isize hash = has_hash ? key_find(&writer->hashes, record->explicit_hash_key) : 0;
    bool is_new_key = key == writer->keys.count;
    bool is_new_hash = has_hash && hash == writer->hashes.count;
    struct buf *scratch = &writer->scratch;
    buf_reset(scratch);
    put_index(scratch, 1, key);
    if (has_hash) {
        put_index(scratch, 2, hash);
    }
    put_bytes(scratch, 3, record->data);
    enum { FRAMING = 11 }; /* A key and the longest length before each part. */
    isize more = scratch->len + FRAMING;
    more += is_new_key ? record->partition_key.len + FRAMING : 0;
    more += is_new_hash ? record->explicit_hash_key.len + FRAMING : 0;
    isize whole = MAGIC_BYTES + DIGEST_BYTES + writer->tables.len + writer->records.len;
    bool is_full = whole + more > writer->bytes_max || writer->count == KPL_RECORDS_MAX ||
                   writer->keys.count == KEYS_MAX || writer->hashes.count == KEYS_MAX;
    if (is_full) {
        return ERR_FULL;
    }
    if (is_new_key) {
        key_add(writer, &writer->keys, 1, record->partition_key);
    }
    if (is_new_hash) {
        key_add(writer, &writer->hashes, 2, record->explicit_hash_key);
    }
    put_bytes(&writer->records, 3, buf_str(scratch));
    writer->count++;
    return OK;
}

void kpl_writer_take(struct kpl_writer *writer, struct buf *out)
{
    isize start = out->len + MAGIC_BYTES;
    buf_append_bytes(out, magic, MAGIC_BYTES);
    buf_append(out, buf_str(&writer->tables));
    buf_append(out, buf_str(&writer->records));
    if (!out->failed) {
        u8 digest[DIGEST_BYTES];
        md5(str_slice(buf_str(out), start, out->len), digest);
        buf_append_bytes(out, digest, DIGEST_BYTES);
    }
    buf_reset(&writer->tables);
    buf_reset(&writer->records);
    arena_reset(&writer->arena);
    writer->keys = writer->hashes = (struct table){0};
    writer->count = 0;
}
