/*
 * Bodies of PutRecord and PutRecords in CBOR. What the fast way takes, the document way reads as
 * the same records.
 */
#include "aws/kinesis/kinesis_int.h"
#include "codec/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct json_value *record, const char *name, enum json_kind kind,
                    str scanned)
{
    const struct json_value *value = json_get(record, str_of(name));
    if (scanned.data == NULL) {
        return value == NULL;
    }
    return json_kind(value) == kind && str_eq(json_text(value), scanned);
}

static void compare(const struct json_value *record, const struct put_entry *entry)
{
    CHECK(is_same(record, "Data", JSON_BYTES, entry->data));
    CHECK(is_same(record, "PartitionKey", JSON_STRING, entry->key));
    CHECK(is_same(record, "ExplicitHashKey", JSON_STRING, entry->hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str body = str_from(data, (isize)size);
    struct arena arena;
    arena_init(&arena, KINESIS_ARENA_BYTES_MAX);
    for (int is_batch = 0; is_batch < 2; is_batch++) {
        struct put_scan scan;
        const struct json_value *root = NULL;
        if (!kinesis__scan_put_cbor(&arena, body, is_batch != 0, &scan)) {
            continue;
        }
        CHECK(cbor_parse(&arena, body, &root, NULL) == OK);
        CHECK(is_same(root, "StreamName", JSON_STRING, scan.stream_name));
        CHECK(is_same(root, "StreamARN", JSON_STRING, scan.stream_arn));
        const struct json_value *records = json_get(root, STR("Records"));
        if (is_batch == 0) {
            CHECK(scan.count == 1);
            compare(root, &scan.entries[0]);
            continue;
        }
        CHECK(json_count(records) == scan.count);
        const struct json_value *record = json_first(records);
        for (isize i = 0; i < scan.count; i++, record = json_next(record)) {
            compare(record, &scan.entries[i]);
        }
    }
    const struct json_value *root = NULL;
    IGNORE(cbor_parse(&arena, body, &root, NULL) != OK); /* It may be anything. */
    arena_deinit(&arena);
    return 0;
}
