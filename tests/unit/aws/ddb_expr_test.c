/* aws/dynamodb/ddb_expr.h: what conditions hold and what updates make, without a server. */
#include "aws_fixture.h"

#include "aws/dynamodb/ddb_expr.h"

static struct arena arena;

static const struct json_value *json(const char *text)
{
    const struct json_value *value;
    assert_int_equal(json_parse(&arena, str_of(text), &value, NULL), OK);
    return value;
}

static const char item_text[] =
    "{\"n\":{\"N\":\"5\"},\"s\":{\"S\":\"abc\"},\"l\":{\"L\":[{\"N\":\"1\"},{\"S\":\"x\"}]},"
    "\"m\":{\"M\":{\"k\":{\"BOOL\":true}}},\"ss\":{\"SS\":[\"b\",\"a\"]}}";
static const char values_text[] =
    "{\":1\":{\"N\":\"1\"},\":5\":{\"N\":\"5.0\"},\":a\":{\"S\":\"a\"},\":t\":{\"BOOL\":true},"
    "\":l\":{\"L\":[{\"N\":\"9\"}]},\":ss\":{\"SS\":[\"a\",\"c\"]},\":z\":{\"S\":\"z\"}}";

static struct ddb_value item_make(void)
{
    struct ddb_work work = {.arena = &arena};
    struct ddb_value item;
    assert_true(ddb_item_parse(&work, json(item_text), &item));
    return item;
}

static struct ddb_substitutes substitutes(struct ddb_work *work)
{
    struct ddb_substitutes s;
    assert_true(
        ddb_substitutes_parse(work, json("{\"#n\":\"n\",\"#k\":\"k\"}"), json(values_text), &s));
    return s;
}

static void conditions_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"n = :5", true},
        {"#n <> :5", false},
        {"n > :1 AND s > :a", true},
        {"n > :a", false},
        {"NOT n > :a", true},
        {"absent <> :1", true},
        {"absent = absent", false},
        {"attribute_exists(m.#k) and not attribute_exists(m.j)", true},
        {"m.k = :t", true},
        {"l[0] = :1", true},
        {"l[2] = :1", false},
        {"size(l) > :1", true},
        {"size(n) > :1", false},
        {"contains(ss, :a)", true},
        {"contains(s, :z) OR contains(l, :1)", true},
        {"begins_with(s, :a)", true},
        {":5 BETWEEN :1 AND n", true},
        {"n IN (:1, :a, :5)", true},
        {"n = :1 OR n = :5 AND s = :z", false},
        {"(n = :1 OR n = :5) AND s = :z", false},
        {"NOT (n = :1 OR s = :z)", true},
        {"(n) >= (:5)", true},
        {"size (s) = size(:z)", false},
        {"ss = ss", true},
    };
    struct ddb_value item = item_make();
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct ddb_work work = {.arena = &arena};
        struct ddb_substitutes s = substitutes(&work);
        struct ddb_condition *condition = NULL;
        bool is_good = ddb_condition_parse(&work, "ConditionExpression", str_of(cases[i].text), &s,
                                           &condition);
        if (!is_good || ddb_condition_holds(condition, &item) != cases[i].holds) {
            print_error("%s: %.*s\n", cases[i].text, STR_ARG(work.message));
            fail();
        }
    }
}

static void updates_make(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"SET n = n + :1, m.j = n REMOVE s, l[0]",
         "{\"l\":{\"L\":[{\"S\":\"x\"}]},\"m\":{\"M\":{\"j\":{\"N\":\"5\"},\"k\":{\"BOOL\":true}}},"
         "\"n\":{\"N\":\"6\"},\"ss\":{\"SS\":[\"a\",\"b\"]}}"},
        {"ADD ss :ss, n :5 DELETE gone :ss REMOVE m, l",
         "{\"n\":{\"N\":\"10\"},\"s\":{\"S\":\"abc\"},\"ss\":{\"SS\":[\"a\",\"b\",\"c\"]}}"},
        {"DELETE ss :ss SET l = list_append(:l, if_not_exists(l, :l)), m = if_not_exists(x, :z), "
         "n = (:1 - n)",
         "{\"l\":{\"L\":[{\"N\":\"9\"},{\"N\":\"1\"},{\"S\":\"x\"}]},\"m\":{\"S\":\"z\"},"
         "\"n\":{\"N\":\"-4\"},\"s\":{\"S\":\"abc\"},\"ss\":{\"SS\":[\"b\"]}}"},
        {"REMOVE l[1], l[0], l[7], m.k.x SET s = :a",
         "{\"l\":{\"L\":[]},\"m\":{\"M\":{\"k\":{\"BOOL\":true}}},\"n\":{\"N\":\"5\"},"
         "\"s\":{\"S\":\"a\"},\"ss\":{\"SS\":[\"a\",\"b\"]}}"},
    };
    struct ddb_value item = item_make();
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct ddb_work work = {.arena = &arena};
        struct ddb_substitutes s = substitutes(&work);
        struct ddb_update update;
        struct ddb_value copy = ddb_copy(&arena, &item);
        struct buf shown = {0};
        if (!ddb_update_parse(&work, str_of(cases[i][0]), &s, &update) ||
            !ddb_update_apply(&work, &update, &copy)) {
            print_error("%s: %.*s\n", cases[i][0], STR_ARG(work.message));
            fail();
        }
        ddb_item_show(&shown, &copy);
        assert_str(buf_str(&shown), cases[i][1]);
        buf_deinit(&shown);
    }
}

static void projections_show(void **state)
{
    (void)state;
    struct ddb_work work = {.arena = &arena};
    struct ddb_substitutes s = substitutes(&work);
    struct ddb_projection projection;
    struct ddb_value item = item_make();
    struct buf shown = {0};
    assert_true(ddb_projection_parse(&work, STR("l[1], m.#k, #n, x.y, l[5]"), &s, &projection));
    struct ddb_value part = ddb_project(&arena, &projection, &item);
    ddb_item_show(&shown, &part);
    assert_str(buf_str(&shown),
               "{\"l\":{\"L\":[{\"S\":\"x\"}]},\"m\":{\"M\":{\"k\":{\"BOOL\":true}}},"
               "\"n\":{\"N\":\"5\"}}");
    buf_deinit(&shown);
}

/* What was encoded is decoded as it was; a byte less is damage, not a crash. */
static void items_survive_the_disk(void **state)
{
    (void)state;
    struct ddb_value item = item_make(), back;
    struct buf bytes = {0}, once = {0}, twice = {0};
    ddb_item_encode(&bytes, &item);
    assert_int_equal(ddb_item_decode(&arena, buf_str(&bytes), &back), OK);
    assert_true(ddb_value_eq(&item, &back));
    ddb_item_show(&once, &item);
    ddb_item_show(&twice, &back);
    assert_true(str_eq(buf_str(&once), buf_str(&twice)));
    assert_int_equal(ddb_item_bytes(&item), ddb_item_bytes(&back));
    for (isize len = 0; len < bytes.len; len++) {
        assert_int_equal(ddb_item_decode(&arena, str_from(bytes.data, len), &back), ERR_CORRUPT);
    }
    buf_deinit(&bytes);
    buf_deinit(&once);
    buf_deinit(&twice);
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
        cmocka_unit_test(conditions_hold),
        cmocka_unit_test(updates_make),
        cmocka_unit_test(projections_show),
        cmocka_unit_test(items_survive_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
