/* cli/export_line.c: see export_line.h. */
#include "cli/export_line.h"

#include "codec/base64.h"
#include "codec/json.h"
#include "stream/stream.h"

static const char code[] = "EXP001";

/* --- writing
 * ------------------------------------------------------------------------------------------ */

static void member(struct buf *out, const char *name, str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

void export_head_write(struct buf *out, const struct export_head *head)
{
    buf_printf(out, "{\"leat_export\":%d", EXPORT_VERSION);
    member(out, "stream", head->stream);
    member(out, "region", head->region);
    buf_printf(out, ",\"exported_ms\":%lld,\"open_shard_count\":%lld,\"max_record_kib\":%lld",
               (long long)head->at_ms, (long long)head->shard_count, (long long)head->record_kib);
    buf_append(out, STR(",\"shards\":"));
    buf_append(out, head->shards);
    buf_append(out, STR("}\n"));
}

/* Text where that is no longer than base64. */
static void data_write(struct buf *out, str data)
{
    isize start = out->len;
    if (str_is_utf8(data)) {
        member(out, "data", data);
        if (out->len - start <=
            base64_encoded_bytes(data.len) + (isize)sizeof ",\"data_base64\":\"\"") {
            return;
        }
        out->len = start;
    }
    buf_append(out, STR(",\"data_base64\":\""));
    base64_append(out, data);
    buf_append_byte(out, '"');
}

void export_record_write(struct buf *out, const struct export_record *record)
{
    buf_append(out, STR("{\"shard_id\":"));
    json_write_string(out, record->shard_id);
    member(out, "sequence_number", record->sequence_number);
    buf_printf(out, ",\"arrival_ms\":%lld", (long long)record->arrival_ms);
    member(out, "partition_key", record->partition_key);
    if (record->hash_key.len > 0) {
        member(out, "explicit_hash_key", record->hash_key);
    }
    data_write(out, record->data);
    buf_append(out, STR("}\n"));
}

void export_end_write(struct buf *out, i64 record_count, str hash)
{
    buf_printf(out, "{\"leat_export_end\":%d,\"records\":%lld", EXPORT_VERSION,
               (long long)record_count);
    member(out, "sha256", hash);
    buf_append(out, STR("}\n"));
}

/* --- reading
 * ------------------------------------------------------------------------------------------ */

static err version_check(const struct json_value *version, struct diag *diag)
{
    if (str_eq(json_text(version), STR("1")) && json_kind(version) == JSON_NUMBER) {
        return OK;
    }
    diag_hint(diag, "a newer leat made it");
    return diag_set(diag, ERR_UNSUPPORTED, code,
                    "is of an export of version \"" STR_FMT "\", not %d",
                    STR_ARG(json_text(version)), EXPORT_VERSION);
}

static err head_read(const struct json_value *line, struct export_line *out, struct diag *diag)
{
    out->kind = EXPORT_HEAD;
    out->stream = json_get_text(line, STR("stream"));
    out->shard_count = json_get_i64(line, STR("open_shard_count"), 0);
    out->record_kib = json_get_i64(line, STR("max_record_kib"), 0);
    return version_check(json_get(line, STR("leat_export")), diag);
}

static err end_read(const struct json_value *line, struct export_line *out, struct diag *diag)
{
    out->kind = EXPORT_END;
    out->record_count = json_get_i64(line, STR("records"), -1);
    out->hash = json_get_text(line, STR("sha256"));
    TRY(version_check(json_get(line, STR("leat_export_end")), diag));
    if (out->record_count < 0 || out->hash.len != EXPORT_HASH_CHARS) {
        return diag_set(diag, ERR_INVALID, code,
                        "is the end of an export, but without \"records\" and \"sha256\"");
    }
    return OK;
}

static err data_read(struct arena *arena, const struct json_value *line, str *out,
                     struct diag *diag)
{
    const struct json_value *text = json_get(line, STR("data"));
    const struct json_value *encoded = json_get(line, STR("data_base64"));
    bool is_one = (text == NULL) != (encoded == NULL);
    if (!is_one || json_kind(text == NULL ? encoded : text) != JSON_STRING) {
        return diag_set(diag, ERR_INVALID, code,
                        "has neither a text \"data\" nor \"data_base64\", or both");
    }
    if (text != NULL) {
        *out = json_text(text);
        return OK;
    }
    isize bytes = base64_decoded_bytes(json_text(encoded));
    u8 *decoded = arena_alloc(arena, MAX(bytes, 0) + 1);
    if (bytes < 0 || base64_decode(json_text(encoded), decoded, &bytes) != OK) {
        return diag_set(diag, ERR_SYNTAX, code,
                        "has \"data_base64\" that is not base64 of RFC 4648");
    }
    *out = str_from(decoded, bytes);
    return OK;
}

static isize chars_of(str text)
{
    isize chars = 0;
    for (isize i = 0; i < text.len; i++) {
        chars += (text.data[i] & 0xC0) != 0x80;
    }
    return chars;
}

static err record_read(struct arena *arena, const struct json_value *line, struct export_line *out,
                       struct diag *diag)
{
    struct export_record *r = &out->record;
    const struct json_value *hash_key = json_get(line, STR("explicit_hash_key"));
    u128 hash;
    out->kind = EXPORT_RECORD;
    r->shard_id = json_get_text(line, STR("shard_id"));
    r->sequence_number = json_get_text(line, STR("sequence_number"));
    r->arrival_ms = json_get_i64(line, STR("arrival_ms"), 0);
    r->partition_key = json_get_text(line, STR("partition_key"));
    r->hash_key = json_get_text(line, STR("explicit_hash_key"));
    isize chars = chars_of(r->partition_key);
    if (chars < 1 || chars > EXPORT_KEY_CHARS_MAX) {
        return diag_set(diag, ERR_INVALID, code,
                        "has no text \"partition_key\" of 1 to %d characters",
                        EXPORT_KEY_CHARS_MAX);
    }
    if (hash_key != NULL && stream_hash_parse(r->hash_key, &hash) != OK) {
        return diag_set(diag, ERR_INVALID, code,
                        "has an \"explicit_hash_key\" that is not text of a whole number from 0 to "
                        "2^128 - 1");
    }
    return data_read(arena, line, &r->data, diag);
}

err export_line_read(struct arena *arena, str line, struct export_line *out, struct diag *diag)
{
    const struct json_value *value = NULL;
    struct diag detail;
    diag_init(&detail);
    *out = (struct export_line){0};
    err e = json_parse(arena, line, &value, &detail);
    if (e != OK) {
        return diag_set(diag, e, code, "is not JSON: %s", detail.message);
    }
    if (json_kind(value) != JSON_OBJECT) {
        return diag_set(diag, ERR_INVALID, code, "is no JSON object");
    }
    if (json_get(value, STR("leat_export")) != NULL) {
        return head_read(value, out, diag);
    }
    if (json_get(value, STR("leat_export_end")) != NULL) {
        return end_read(value, out, diag);
    }
    return record_read(arena, value, out, diag);
}
