/* Hash keys, sequence numbers and shard names against values that AWS gave. */
#include "base/rng.h"
#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void hashes_the_partition_key(void **state)
{
    (void)state;
    /* RFC 1321, appendix A.5. */
    u128 hash = stream_hash_key(STR("abc"));
    assert_int_equal((u64)(hash >> 64), 0x900150983cd24fb0ULL);
    assert_int_equal((u64)hash, 0xd6963f7d28e17f72ULL);
    hash =
        stream_hash_key(STR("12345678901234567890123456789012345678901234567890123456789012345678"
                            "901234567890"));
    assert_int_equal((u64)(hash >> 64), 0x57edf4a22be3c955ULL);
}

static void parses_hash_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        err e;
    } cases[] = {
        {"0", OK},
        {"340282366920938463463374607431768211455", OK},
        {"340282366920938463463374607431768211456", ERR_RANGE},
        {"999999999999999999999999999999999999999", ERR_RANGE},
        {"3402823669209384634633746074317682114550", ERR_RANGE},
        {"", ERR_SYNTAX},
        {"007", ERR_SYNTAX},
        {"-1", ERR_SYNTAX},
        {"+1", ERR_SYNTAX},
        {"1 ", ERR_SYNTAX},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        u128 hash = 42;
        assert_int_equal(stream_hash_parse(str_of(cases[i].text), &hash), cases[i].e);
        if (cases[i].e == OK) {
            char text[40];
            assert_int_equal(stream_hash_format(hash, text), strlen(cases[i].text));
            assert_string_equal(text, cases[i].text);
        }
    }
}

static void reads_a_sequence_number_of_aws(void **state)
{
    (void)state;
    const char *text = "49590338271490256608559692538361571095921575989136588898";
    struct stream_sequence sequence;
    assert_int_equal(stream_sequence_parse(str_of(text), &sequence), OK);
    assert_int_equal(sequence.shard_created_s, 1542776258);
    assert_int_equal(sequence.shard, 6);
    assert_int_equal(sequence.arrival_s, 1545084650);
    char again[STREAM_SEQUENCE_DIGITS + 1];
    stream_sequence_format(&sequence, again);
    assert_string_equal(again, text);
}

static void sequence_numbers_survive_and_ascend(void **state)
{
    (void)state;
    static const u64 indexes[] = {0, 1, 255, 1ULL << 32, (1ULL << 48) - 1, 1ULL << 48, INT64_MAX};
    char before[STREAM_SEQUENCE_DIGITS + 1] = "";
    for (isize i = 0; i < 2 * COUNT_OF(indexes); i++) {
        /* A place behind a record lies between it and the next, however late it was made. */
        bool is_behind = i % 2 != 0;
        i64 arrival_s = is_behind ? 1790000001 : 1790009999;
        struct stream_sequence in = {1790000000, indexes[i / 2], arrival_s, 9999, is_behind};
        struct stream_sequence out;
        char text[STREAM_SEQUENCE_DIGITS + 1];
        stream_sequence_format(&in, text);
        assert_int_equal(strlen(text), STREAM_SEQUENCE_DIGITS);
        assert_true(strcmp(before, text) < 0);
        assert_int_equal(stream_sequence_parse(str_of(text), &out), OK);
        assert_int_equal(out.shard_created_s, in.shard_created_s);
        assert_int_equal(out.index, in.index);
        assert_int_equal(out.arrival_s, in.arrival_s);
        assert_int_equal(out.shard, in.shard);
        assert_int_equal(out.is_behind, in.is_behind);
        memcpy(before, text, sizeof before);
    }
}

/* The parser multiplies: it shares nothing with the division. */
static void many_sequence_numbers_survive(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        struct stream_sequence in = {
            .shard_created_s = (i64)rng_below(&rng, 1ULL << 36),
            .index = rng_next(&rng) >> (1 + rng_below(&rng, 63)),
            .arrival_s = (i64)rng_below(&rng, 1ULL << 36),
            .shard = (u32)rng_next(&rng),
            .is_behind = rng_below(&rng, 2) == 1,
        };
        char text[STREAM_SEQUENCE_DIGITS + 1];
        stream_sequence_format(&in, text);
        struct stream_sequence out;
        assert_int_equal(stream_sequence_parse(str_of(text), &out), OK);
        assert_true(out.shard_created_s == in.shard_created_s && out.index == in.index &&
                    out.arrival_s == in.arrival_s && out.shard == in.shard &&
                    out.is_behind == in.is_behind);
    }
}

/* Through every carry: of the lowest digits, of the middle ones, into the index's upper bits. */
static void neighbours_are_numbered_as_one_by_one(void **state)
{
    (void)state;
    static const u64 firsts[] = {1, 99999, (1ULL << 48) - 700, INT64_MAX - 1000};
    struct rng rng;
    rng_init(&rng, 2);
    for (int i = 0; i < 200; i++) {
        struct stream_sequence in = {
            .shard_created_s = (i64)rng_below(&rng, 1ULL << 36),
            .index = i < COUNT_OF(firsts) ? firsts[i] : rng_next(&rng) >> (2 + rng_below(&rng, 60)),
            .arrival_s = (i64)rng_below(&rng, 1ULL << 36),
            .shard = (u32)rng_next(&rng),
        };
        struct stream_sequences all;
        stream_sequences_begin(&in, &all);
        for (int k = 0; k < 1000; k++, in.index++) {
            char one[STREAM_SEQUENCE_DIGITS + 1], next[STREAM_SEQUENCE_DIGITS + 1] = {0};
            stream_sequence_format(&in, one);
            stream_sequences_next(&all, next);
            assert_string_equal(next, one);
        }
    }
    /* The front carries once in 10^32 / 2^80 steps: from just before. */
    const u64 nines = 0x0909090909090909;
    struct stream_sequences all = {.eights = {nines, nines, nines, nines}};
    memcpy(all.front, "000000000000000041999999", sizeof all.front);
    char next[STREAM_SEQUENCE_DIGITS + 1] = {0};
    stream_sequences_next(&all, next);
    assert_string_equal(next, "000000000000000041999999"
                              "99999999999999999999999999999999");
    stream_sequences_next(&all, next);
    assert_string_equal(next, "000000000000000042000000"
                              "00000001208925819614629174706175");
}

static void refuses_other_sequence_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "4959033827149025660855969253836157109592157598913658889",
        "495903382714902566085596925383615710959215759891365888980",
        "4959033827149025660855969253836157109592157598913658889x",
        "49590338271490256608559692538361571095921575989136588899", /* version */
        "99999999999999999999999999999999999999999999999999999999",
    };
    struct stream_sequence sequence;
    for (isize i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(stream_sequence_parse(str_of(texts[i]), &sequence), ERR_SYNTAX);
    }
}

static void names_shards(void **state)
{
    (void)state;
    char text[21];
    u32 index = 0;
    stream_shard_format(0, text);
    assert_string_equal(text, "shardId-000000000000");
    stream_shard_format(1234567890, text);
    assert_string_equal(text, "shardId-001234567890");
    assert_int_equal(stream_shard_parse(str_of(text), &index), OK);
    assert_int_equal(index, 1234567890);
    assert_int_equal(stream_shard_parse(STR("shardId-00000000000"), &index), ERR_SYNTAX);
    assert_int_equal(stream_shard_parse(STR("shardId-00000000000x"), &index), ERR_SYNTAX);
    assert_int_equal(stream_shard_parse(STR("shardId-999999999999"), &index), ERR_SYNTAX);
    assert_int_equal(stream_shard_parse(STR("ShardId-000000000000"), &index), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_the_partition_key),
        cmocka_unit_test(parses_hash_keys),
        cmocka_unit_test(reads_a_sequence_number_of_aws),
        cmocka_unit_test(sequence_numbers_survive_and_ascend),
        cmocka_unit_test(many_sequence_numbers_survive),
        cmocka_unit_test(neighbours_are_numbered_as_one_by_one),
        cmocka_unit_test(refuses_other_sequence_numbers),
        cmocka_unit_test(names_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
