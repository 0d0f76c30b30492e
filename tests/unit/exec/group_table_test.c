/* tests/unit/exec/group_table_test.c: groups of typed keys, their order, and keys on disk. */
#include "exec/group_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ROWS = 2000, KEYS = 700 };

struct keys {
    struct arena arena;
    const struct type *types[4];
    struct vec cols[4];
    const struct vec *pointers[4];
    struct group_layout layout;
};

/* BIGINT, a text (long for odd keys), DOUBLE, DECIMAL(30, 2); every 7th key has NULLs. */
static void keys_make_by(struct keys *k, const struct group_seeds *seeds)
{
    *k =
        (struct keys){.types = {type_of(TYPE_BIGINT), type_of(TYPE_VARCHAR), type_of(TYPE_DOUBLE)}};
    k->types[3] = type_decimal(&k->arena, 30, 2);
    for (isize c = 0; c < 4; c++) {
        vec_init(&k->cols[c], &k->arena, k->types[c], ROWS, true);
        k->pointers[c] = &k->cols[c];
    }
    for (isize i = 0; i < ROWS; i++) {
        isize key = i * 31 % KEYS;
        str text = arena_printf(&k->arena, key % 2 == 1 ? "a text that is long %td" : "t%td", key);
        VEC(i64, &k->cols[0])[i] = key * 1000000007;
        VEC(struct strview, &k->cols[1])[i] = strview_of(text);
        VEC(double, &k->cols[2])[i] = key % 5 == 0 ? __builtin_nan("") : (double)key;
        VEC(i128, &k->cols[3])[i] = (i128)key << 70;
        if (key % 7 == 0) {
            vec_set_null(&k->cols[1], &k->arena, i);
            vec_set_null(&k->cols[3], &k->arena, i);
        }
    }
    group_layout_init(&k->layout, &k->arena, 4, k->types, 8, seeds);
}

static void keys_make(struct keys *k)
{
    static const struct group_seeds seeds = {42, {1, 2}};
    keys_make_by(k, &seeds);
}

static void test_groups(void **state)
{
    (void)state;
    struct keys k;
    struct group_table table = {NULL, 0, 0, NULL, 0, {0}};
    struct group_keys packed;
    struct sel all = {NULL, ROWS};
    keys_make(&k);
    group_keys_pack(&k.layout, k.pointers, &all, &k.arena, &packed);
    for (isize i = 0; i < ROWS; i++) {
        isize at = group_table_find(&table, &k.layout, packed.packed + i * k.layout.key_bytes,
                                    packed.hashes[i]);
        assert_int_equal(at, i % KEYS); /* In the order in which they came. */
        (*(u64 *)group_state(&k.layout, group_at(&table, &k.layout, at)))++;
    }
    assert_int_equal(table.count, KEYS);
    struct vec out;
    u8 *key = group_key(group_at(&table, &k.layout, 33)); /* Row 33: key 323. */
    group_keys_unpack(&k.layout, 1, &key, 1, &k.arena, &out);
    str text = strview_str(&VEC(struct strview, &out)[0]);
    assert_true(str_eq(text, STR("a text that is long 323")));
    group_table_deinit(&table);
    arena_deinit(&k.arena);
}

/* The secret moves keys in the table, never their key groups or their order. */
static void test_secret(void **state)
{
    (void)state;
    static const struct group_seeds seeds[] = {{42, {1, 2}}, {42, {3, 2}}, {42, {1, 4}}};
    enum { RUNS = 3 };
    int groups[RUNS][KEYS];
    u64 hashes[RUNS][KEYS];
    for (int r = 0; r < RUNS; r++) {
        struct keys k;
        struct group_table table = {NULL, 0, 0, NULL, 0, {0}};
        struct group_keys packed;
        struct sel all = {NULL, ROWS};
        keys_make_by(&k, &seeds[r]);
        group_keys_pack(&k.layout, k.pointers, &all, &k.arena, &packed);
        for (isize i = 0; i < KEYS; i++) {
            isize at = group_table_find(&table, &k.layout, packed.packed + i * k.layout.key_bytes,
                                        packed.hashes[i]);
            assert_int_equal(at, i);
            groups[r][i] = group_key_group(group_at(&table, &k.layout, at));
            hashes[r][i] = packed.hashes[i];
        }
        group_table_deinit(&table);
        arena_deinit(&k.arena);
    }
    assert_memory_equal(groups[0], groups[1], sizeof groups[0]);
    assert_memory_equal(groups[0], groups[2], sizeof groups[0]);
    for (isize i = 0; i < KEYS; i++) {
        assert_true(hashes[0][i] != hashes[1][i] && hashes[0][i] != hashes[2][i]);
    }
}

static void test_saved(void **state)
{
    (void)state;
    struct keys k;
    struct group_keys packed;
    struct sel all = {NULL, ROWS};
    keys_make(&k);
    group_keys_pack(&k.layout, k.pointers, &all, &k.arena, &packed);
    for (isize i = 0; i < KEYS; i++) {
        struct buf saved = {0}, again = {0};
        u8 *key = packed.packed + i * k.layout.key_bytes;
        u8 *loaded = arena_alloc(&k.arena, k.layout.key_bytes);
        u64 hash;
        group_key_save(&k.layout, key, &saved);
        str in = buf_str(&saved);
        assert_int_equal(group_key_load(&k.layout, &in, loaded, &hash), OK);
        assert_true(hash == packed.hashes[i] && in.len == 0);
        group_key_save(&k.layout, loaded, &again);
        assert_true(str_eq(buf_str(&saved), buf_str(&again)));
        in = str_slice(buf_str(&saved), 0, saved.len - 1);
        assert_int_equal(group_key_load(&k.layout, &in, loaded, &hash), ERR_CORRUPT);
        buf_deinit(&saved);
        buf_deinit(&again);
    }
    arena_deinit(&k.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
