/* The catalog: creation, change, deletion, restart; shards and routing. */
#include "stream_result.h"

#include "base/buf.h"

static err delete_wait(struct stream *stream)
{
    struct result result;
    result_init(&result);
    return wait_done(&result, stream_delete(stream, on_done, &result));
}

static err tag_wait(struct stream *stream, const struct stream_tag *set, isize set_count,
                    const str *unset, isize unset_count)
{
    struct result result;
    result_init(&result);
    return wait_done(&result,
                     stream_set_tags(stream, set, set_count, unset, unset_count, on_done, &result));
}

static err retain_wait(struct stream *stream, i32 hours)
{
    struct result result;
    result_init(&result);
    return wait_done(&result, stream_set_retention(stream, hours, on_done, &result));
}

static void streams_survive_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 3);
    struct stream_tag tags[] = {{STR("b"), STR("2")}, {STR("a"), STR("1")}};
    str gone = STR("b");
    assert_int_equal(tag_wait(stream, tags, 2, NULL, 0), OK);
    assert_int_equal(tag_wait(stream, NULL, 0, &gone, 1), OK);
    assert_int_equal(retain_wait(stream, 48), OK);
    struct stream_info before;
    stream_get_info(stream, &before);
    i64 created_ms = before.created_ms;
    u8 secret[STREAM_SECRET_BYTES];
    streams_get_secret(fixture->streams, secret);
    stream_unref(stream);

    fixture_reopen(fixture);
    stream = streams_find(fixture->streams, id_of("alpha"));
    assert_non_null(stream);
    struct stream_info info;
    stream_get_info(stream, &info);
    assert_int_equal(info.number, 1);
    assert_int_equal(info.created_ms, created_ms);
    assert_int_equal(info.retention_hours, 48);
    assert_int_equal(info.open_shard_count, 3);
    assert_int_equal(info.status, STREAM_ACTIVE);
    struct arena arena;
    arena_init(&arena, 0);
    struct stream_tag *kept = NULL;
    isize count = 0;
    stream_get_tags(stream, &arena, &kept, &count);
    assert_int_equal(count, 1);
    assert_true(str_eq(kept[0].key, STR("a")) && str_eq(kept[0].value, STR("1")));
    arena_deinit(&arena);
    u8 again[STREAM_SECRET_BYTES];
    streams_get_secret(fixture->streams, again);
    assert_memory_equal(secret, again, STREAM_SECRET_BYTES);
    stream_unref(stream);
}

static void numbers_are_never_given_twice(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    assert_int_equal(delete_wait(stream), OK);
    struct stream_info info;
    stream_get_info(stream, &info);
    assert_true(info.is_deleted);
    assert_int_equal(delete_wait(stream), ERR_NOT_FOUND);
    assert_null(streams_find(fixture->streams, id_of("alpha")));
    stream_unref(stream);

    fixture_reopen(fixture);
    assert_null(streams_find(fixture->streams, id_of("alpha")));
    stream = make_stream(fixture, "alpha", 1);
    stream_get_info(stream, &info);
    assert_int_equal(info.number, 2);
    stream_unref(stream);
}

static void refuses_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    char name[STREAM_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[STREAM_NAME_MAX + 1] = '\0';
    struct stream_spec spec = {.id = id_of(name), .shard_count = 1};
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE);
    name[STREAM_NAME_MAX] = '\0';
    spec.id = id_of(name);
    assert_int_equal(stream_create_wait(fixture->streams, &spec), OK);
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_EXISTS);
    spec.id = id_of("a/b");
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE);
    spec.id = id_of("s");
    spec.shard_count = 0;
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE);
    spec.shard_count = STREAM_SHARDS_MAX + 1;
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE);
    spec.shard_count = 1;
    spec.retention_hours = STREAM_RETENTION_MIN_H - 1;
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE);
    spec.retention_hours = STREAM_RETENTION_MAX_H;
    assert_int_equal(stream_create_wait(fixture->streams, &spec), OK);
}

static void tags_have_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct stream_tag tags[STREAM_TAGS_MAX];
    char keys[STREAM_TAGS_MAX][8];
    for (int i = 0; i < STREAM_TAGS_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%02d", i);
        tags[i] = (struct stream_tag){str_of(keys[i]), STR("v")};
    }
    assert_int_equal(tag_wait(stream, tags, STREAM_TAGS_MAX, NULL, 0), OK);
    assert_int_equal(tag_wait(stream, tags, 1, NULL, 0), OK);
    struct stream_tag more = {STR("one more"), STR("")};
    assert_int_equal(tag_wait(stream, &more, 1, NULL, 0), ERR_LIMIT);
    assert_int_equal(tag_wait(stream, &more, 1, &tags[0].key, 1), OK);
    stream_unref(stream);
}

static bool collect(void *ctx, struct stream *stream)
{
    struct buf *names = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    buf_append(names, info.id.region);
    buf_append_byte(names, '/');
    buf_append(names, info.id.name);
    buf_append_byte(names, ' ');
    return true;
}

static void regions_and_accounts_are_worlds(void **state)
{
    struct fixture *fixture = *state;
    static const char *const ids[][3] = {
        {"000000000000", "us-east-1", "b"},
        {"000000000000", "us-east-1", "a"},
        {"000000000000", "eu-west-1", "a"},
        {"111111111111", "us-east-1", "a"},
    };
    for (isize i = 0; i < COUNT_OF(ids); i++) {
        struct stream_spec spec = {.id = {str_of(ids[i][0]), str_of(ids[i][1]), str_of(ids[i][2])},
                                   .shard_count = 1};
        assert_int_equal(stream_create_wait(fixture->streams, &spec), OK);
    }
    struct buf names = {0};
    streams_each(fixture->streams, STR("000000000000"), STR("us-east-1"), collect, &names);
    assert_true(str_eq(buf_str(&names), STR("us-east-1/a us-east-1/b ")));
    buf_reset(&names);
    streams_each(fixture->streams, STR_EMPTY, STR_EMPTY, collect, &names);
    assert_true(str_eq(buf_str(&names), STR("eu-west-1/a us-east-1/a us-east-1/b us-east-1/a ")));
    buf_deinit(&names);
}

/* Three shards of AWS begin and end at these keys. */
static void shards_tile_the_hash_keys(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 3);
    static const char *const last[] = {"113427455640312821154458202477256070484",
                                       "226854911280625642308916404954512140969",
                                       "340282366920938463463374607431768211455"};
    u128 first = 0;
    for (i32 i = 0; i < 3; i++) {
        struct stream_shard shard;
        assert_true(stream_get_shard(stream, i, &shard));
        char text[40];
        stream_hash_format(shard.hash_last, text);
        assert_string_equal(text, last[i]);
        assert_true(shard.hash_first == first);
        first = shard.hash_last + 1;
        assert_int_equal(stream_route(stream, shard.hash_first), i);
        assert_int_equal(stream_route(stream, shard.hash_last), i);
    }
    assert_false(stream_get_shard(stream, 3, &(struct stream_shard){0}));
    stream_unref(stream);
}

static void ten_thousand_shards(void **state)
{
    struct fixture *fixture = *state;
    u64 resident = os_resident_bytes();
    u64 start = os_mono_ns(os_real());
    struct stream *stream = make_stream(fixture, "wide", STREAM_SHARDS_MAX);
    u64 taken_ms = (os_mono_ns(os_real()) - start) / 1000000;
    printf("# 10,000 shards: %llu ms, %lld KiB\n", (unsigned long long)taken_ms,
           (long long)(os_resident_bytes() - resident) / 1024);
    for (i32 i = 0; i < STREAM_SHARDS_MAX; i += 7) {
        struct stream_shard shard;
        assert_true(stream_get_shard(stream, i, &shard));
        assert_int_equal(stream_route(stream, shard.hash_first), i);
        assert_int_equal(stream_route(stream, shard.hash_last), i);
    }
    stream_unref(stream);
    fixture_reopen(fixture);
    stream = streams_find(fixture->streams, id_of("wide"));
    assert_non_null(stream);
    stream_unref(stream);
}

/* Many changes make the catalog restate itself; what follows the restatement counts too. */
static void the_catalog_restates_itself(void **state)
{
    struct fixture *fixture = *state;
    struct stream *kept = make_stream(fixture, "kept", 1);
    for (int i = 0; i < 12; i++) {
        struct stream *wide = make_stream(fixture, "wide", 1000);
        assert_int_equal(delete_wait(wide), OK);
        stream_unref(wide);
    }
    assert_int_equal(retain_wait(kept, 30), OK);
    stream_unref(kept);
    fixture_reopen(fixture);
    kept = streams_find(fixture->streams, id_of("kept"));
    assert_non_null(kept);
    struct stream_info info;
    stream_get_info(kept, &info);
    assert_int_equal(info.retention_hours, 30);
    assert_int_equal(info.number, 1);
    assert_null(streams_find(fixture->streams, id_of("wide")));
    stream_unref(kept);
    struct stream *next = make_stream(fixture, "next", 1);
    stream_get_info(next, &info);
    assert_int_equal(info.number, 14);
    stream_unref(next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_survive_a_restart, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(numbers_are_never_given_twice, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_wrong, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(tags_have_a_limit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(regions_and_accounts_are_worlds, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(shards_tile_the_hash_keys, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_shards, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_catalog_restates_itself, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
