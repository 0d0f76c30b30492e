/* Aggregates: any protobuf behind a right digest; what is decoded is encoded and decoded again. */
#include "codec/kpl.h"

#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct kpl_record *records, isize count, struct arena *arena)
{
    struct kpl_writer *writer = kpl_writer_new(1 << 20);
    isize kept = 0;
    for (isize i = 0; i < count && kpl_writer_add(writer, &records[i]) == OK; i++) {
        kept++;
    }
    struct buf out = {0};
    kpl_writer_take(writer, &out);
    struct kpl_record *back;
    isize back_count = 0;
    enum kpl_result result = kpl_decode(buf_str(&out), arena, &back, &back_count, NULL);
    CHECK(kept == 0 || (result == KPL_AGGREGATE && back_count == kept));
    for (isize i = 0; i < kept; i++) {
        CHECK(str_eq(back[i].partition_key, records[i].partition_key));
        CHECK(str_eq(back[i].explicit_hash_key, records[i].explicit_hash_key));
        CHECK(str_eq(back[i].data, records[i].data));
    }
    buf_deinit(&out);
    kpl_writer_free(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buf whole = {0};
    u8 digest[16];
    unsigned len = sizeof digest;
    buf_append(&whole, STR("\xF3\x89\x9A\xC2"));
    buf_append_bytes(&whole, data, (isize)size);
    CHECK(EVP_Digest(data, size, digest, &len, EVP_md5(), NULL) == 1);
    buf_append_bytes(&whole, digest, sizeof digest);
    struct kpl_record *records;
    isize count;
    if (kpl_decode(buf_str(&whole), &arena, &records, &count, NULL) == KPL_AGGREGATE) {
        for (isize i = 0; i < count; i++) {
            u128 key;
            IGNORE(kpl_hash_key(&records[i], &key)); /* A bad number is an answer. */
        }
        again(records, count, &arena);
    }
    buf_deinit(&whole);
    arena_deinit(&arena);
    return 0;
}
