/* Aggregates of the producer library: there and back, and every kind of damage. */
#include "codec/kpl.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

/* Magic, `message`, digest. */
static enum kpl_result decode(str message, isize *count)
{
    struct buf data = {0};
    u8 digest[16];
    unsigned len = sizeof digest;
    buf_append(&data, STR("\xF3\x89\x9A\xC2"));
    buf_append(&data, message);
    assert_int_equal(EVP_Digest(message.data, (size_t)message.len, digest, &len, EVP_md5(), NULL),
                     1);
    buf_append_bytes(&data, digest, sizeof digest);
    struct kpl_record *records;
    const char *reason = NULL;
    *count = -1;
    str whole = arena_copy(&arena, buf_str(&data));
    enum kpl_result result = kpl_decode(whole, &arena, &records, count, &reason);
    assert_int_equal(reason != NULL, result == KPL_DAMAGED);
    buf_deinit(&data);
    return result;
}

static void there_and_back(void **state)
{
    (void)state;
    struct kpl_writer *writer = kpl_writer_new(1 << 20);
    char key[16], hash[32], data[32];
    for (int i = 0; i < 500; i++) {
        struct kpl_record record = {
            str_from(key, snprintf(key, sizeof key, "k%d", i % 150)),
            str_from(hash, i % 3 == 0 ? snprintf(hash, sizeof hash, "%d", i % 5) : 0),
            str_from(data, snprintf(data, sizeof data, "data %d", i) % (i % 7 == 0 ? 1 : 99)),
        };
        assert_int_equal(kpl_writer_add(writer, &record), OK);
    }
    assert_int_equal(kpl_writer_count(writer), 500);
    struct buf out = {0};
    kpl_writer_take(writer, &out);
    assert_int_equal(kpl_writer_count(writer), 0);
    struct kpl_record *records;
    isize count;
    assert_int_equal(kpl_decode(buf_str(&out), &arena, &records, &count, NULL), KPL_AGGREGATE);
    assert_int_equal(count, 500);
    assert_true(str_eq(records[151].partition_key, STR("k1")));
    assert_true(str_eq(records[151].data, STR("data 151")));
    assert_int_equal(records[151].explicit_hash_key.len, 0);
    assert_true(str_eq(records[153].explicit_hash_key, STR("3")));
    assert_int_equal(records[7].data.len, 0);
    out.data[10] ^= 1; /* The digest says so. */
    assert_int_equal(kpl_decode(buf_str(&out), &arena, &records, &count, NULL), KPL_DAMAGED);
    buf_deinit(&out);
    kpl_writer_free(writer);
}

static void writer_is_bounded(void **state)
{
    (void)state;
    struct kpl_writer *writer = kpl_writer_new(1000);
    u8 data[100] = {0};
    struct kpl_record record = {STR("k"), STR_EMPTY, str_from(data, 100)};
    isize count = 0;
    while (kpl_writer_add(writer, &record) == OK) {
        count++;
    }
    assert_true(count >= 8);
    struct buf out = {0};
    kpl_writer_take(writer, &out);
    assert_true(out.len <= 1000);
    record.data.len = 0;
    record.partition_key = STR_EMPTY;
    assert_int_equal(kpl_writer_add(writer, &record), ERR_INVALID);
    buf_deinit(&out);
    kpl_writer_free(writer);
}

static void damage_is_seen(void **state)
{
    (void)state;
    const struct {
        str message;
        enum kpl_result result;
        isize count;
    } cases[] = {
        {STR("\x0a\x01k"), KPL_AGGREGATE, 0},
        {STR("\x0a\x01k\x1a\x05\x08\x00\x1a\x01x"), KPL_AGGREGATE, 1},
        {STR("\x1a\x05\x08\x00\x1a\x01x\x0a\x01k"), KPL_AGGREGATE, 1},        /* Table behind. */
        {STR("\x0a\x01k\x1a\x05\x08\x01\x1a\x01x"), KPL_DAMAGED, -1},         /* Key index. */
        {STR("\x0a\x01k\x1a\x07\x08\x00\x10\x00\x1a\x01x"), KPL_DAMAGED, -1}, /* Hash index. */
        {STR("\x0a\x01k\x1a\x05\x08\x00\x1a\x02x"), KPL_DAMAGED, -1},         /* Past the end. */
        {STR("\x0a\x01k\x1a\x02\x08\x00"), KPL_DAMAGED, -1},                  /* No data. */
        {STR("\x0a\x01k\x1a\x03\x1a\x01x"), KPL_DAMAGED, -1},                 /* No key. */
        {STR("\x0a\x01k\x52\x01z"), KPL_AGGREGATE, 0},                        /* Unknown field. */
        {STR("\x0a\x01k\x53\x08\x01\x54"), KPL_AGGREGATE, 0},                 /* Unknown group. */
        {STR("\x0a\x01k\x53\x08\x01\x5c"), KPL_DAMAGED, -1}, /* Closed as another. */
        {STR("\x0a\x01k\x53"), KPL_DAMAGED, -1},             /* Open group. */
        {STR("\x02\x01k"), KPL_DAMAGED, -1},                 /* Field number 0. */
        {STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01k"), KPL_DAMAGED, -1},
        {STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01k"), KPL_DAMAGED, -1},
        {STR("\x0a\x01\xff"), KPL_DAMAGED, -1}, /* A key that is not UTF-8. */
        {STR("\x08\x01"), KPL_DAMAGED, -1},     /* The wrong wire type. */
        {STR("\x0e"), KPL_DAMAGED, -1},         /* No wire type. */
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        isize count;
        enum kpl_result result = decode(cases[i].message, &count);
        if (result != cases[i].result || count != cases[i].count) {
            print_error("case %d: %d, %d records\n", (int)i, (int)result, (int)count);
            fail();
        }
    }
    isize count;
    struct buf deep = {0};
    buf_append_fill(&deep, 0x53, 10000);
    assert_int_equal(decode(buf_str(&deep), &count), KPL_DAMAGED);
    buf_reset(&deep);
    buf_append(&deep, STR("\x0a\x01k"));
    for (int i = 0; i < 100000; i++) {
        buf_append(&deep, STR("\x1a\x05\x08\x00\x1a\x01x"));
    }
    assert_int_equal(decode(buf_str(&deep), &count), KPL_AGGREGATE);
    assert_int_equal(count, 100000);
    buf_deinit(&deep);
    struct kpl_record *records;
    assert_int_equal(kpl_decode(STR("{\"a\":1}"), &arena, &records, &count, NULL), KPL_PLAIN);
    assert_int_equal(kpl_decode(STR("\xF3\x89\x9A\xC2"), &arena, &records, &count, NULL),
                     KPL_PLAIN);
}

static void hash_keys(void **state)
{
    (void)state;
    struct kpl_record record = {.partition_key = STR("a")};
    u128 key;
    assert_int_equal(kpl_hash_key(&record, &key), OK);
    assert_int_equal((u64)(key >> 64), 0x0cc175b9c0f1b6a8); /* MD5 of "a". */
    assert_int_equal((u64)key, 0x31c399e269772661);
    record.explicit_hash_key = STR("340282366920938463463374607431768211455");
    assert_int_equal(kpl_hash_key(&record, &key), OK);
    assert_true(key == ~(u128)0);
    record.explicit_hash_key = STR("340282366920938463463374607431768211456");
    assert_int_equal(kpl_hash_key(&record, &key), ERR_RANGE);
    record.explicit_hash_key = STR("-1");
    assert_int_equal(kpl_hash_key(&record, &key), ERR_RANGE);
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(writer_is_bounded),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(hash_keys),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
