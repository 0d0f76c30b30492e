/* Rows become data: shared per series and second, cut at 150 values, capped in series. */
#include "connect/cloudwatch/cw_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct type_field fields[] = {
    {.name = {(const u8 *)"city", 4}, .type = NULL},
    {.name = {(const u8 *)"n", 1}, .type = NULL},
};

static struct cw *cw_make(const char *sets, isize series_max)
{
    fields[0].type = type_of(TYPE_VARCHAR);
    fields[1].type = type_of(TYPE_BIGINT);
    struct cw *cw = NEW(struct cw);
    os_mutex_init(&cw->lock);
    cw->schema = (struct connect_schema){.fields = fields, .count = 2};
    cw->namespace = STR("N");
    cw->unit = STR("Count");
    cw->series_max = series_max;
    struct connect_pair pair = {STR("dimension-sets"), str_of(sets)};
    struct connect_table table = {STR("`t`"), &pair, 1};
    assert_int_equal(cw_columns_read(cw, &table, NULL), OK);
    return cw;
}

static void cw_drop(struct cw *cw)
{
    mem_free(cw->series);
    os_mutex_deinit(&cw->lock);
    mem_free(cw);
}

static void add(struct cw_call *call, const char *time_ms, const char *json)
{
    struct connect_row row = {str_of(time_ms), str_of(json), 1};
    assert_int_equal(cw_call_add(call, &row), OK);
}

static void rows_of_a_series_and_minute_share_a_datum(void **state)
{
    (void)state;
    struct cw *cw = cw_make("city;", 100);
    struct cw_call *call = NEW(struct cw_call);
    cw_call_reset(call, cw);
    add(call, "60000", "{\"city\":\"X\",\"n\":3}");
    add(call, "61000", "{\"city\":\"X\",\"n\":3}");
    add(call, "119999", "{\"city\":\"X\",\"n\":5}");
    add(call, "120000", "{\"city\":\"X\",\"n\":null}");
    add(call, "120000", "{\"city\":null,\"n\":1}");
    assert_int_equal(call->count, 3); /* X, all of the minute; all of the next. */
    struct buf body = {0};
    cw_call_body(call, &body);
    str text = buf_str(&body);
    assert_true(
        str_find(text, STR("\"Dimensions\":[{\"Name\":\"city\",\"Value\":\"X\"}],\"Timestamp\":60"),
                 0) > 0);
    assert_true(str_find(text, STR("\"Values\":[3,5],\"Counts\":[2,1]"), 0) > 0);
    buf_deinit(&body);
    arena_deinit(&call->arena);
    mem_free(call);
    cw_drop(cw);
}

static void more_than_150_values_need_another_datum(void **state)
{
    (void)state;
    struct cw *cw = cw_make("", 100);
    struct cw_call *call = NEW(struct cw_call);
    cw_call_reset(call, cw);
    for (int i = 0; i < 400; i++) {
        char json[64];
        (void)snprintf(json, sizeof json, "{\"n\":%d}", i);
        add(call, "", json);
    }
    assert_int_equal(call->count, 3);
    double sum = 0;
    for (isize d = 0; d < call->count; d++) {
        assert_true(call->data[d].value_count <= CW_VALUES_MAX);
        for (isize i = 0; i < call->data[d].value_count; i++) {
            sum += call->data[d].values[i] * call->data[d].counts[i];
        }
    }
    assert_true(sum == 400 * 399 / 2);
    arena_deinit(&call->arena);
    mem_free(call);
    cw_drop(cw);
}

static void series_are_capped_and_the_first_left_out_is_named(void **state)
{
    (void)state;
    struct cw *cw = cw_make("city", 300);
    struct cw_call *call = NEW(struct cw_call);
    for (int round = 0; round < 2; round++) {
        cw_call_reset(call, cw);
        for (int i = 0; i < 305; i++) {
            char json[64];
            (void)snprintf(json, sizeof json, "{\"city\":\"C%d\",\"n\":1}", i);
            add(call, "", json);
        }
        assert_int_equal(call->count, 300);
    }
    assert_int_equal(cw->left_out, 10);
    assert_non_null(strstr(cw->left_out_first, "C300"));
    arena_deinit(&call->arena);
    mem_free(call);
    cw_drop(cw);
}

static void bad_columns_are_refused(void **state)
{
    (void)state;
    static const char *const sets[] = {"town", "city,", "city,n,town"};
    for (isize i = 0; i < COUNT_OF(sets); i++) {
        struct cw cw = {.schema = {.fields = fields, .count = 2}};
        struct connect_pair pair = {STR("dimension-sets"), str_of(sets[i])};
        struct connect_table table = {STR("`t`"), &pair, 1};
        struct diag diag;
        diag_init(&diag);
        bool is_good = cw_columns_read(&cw, &table, &diag) == OK;
        assert_int_equal(is_good, i == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_series_and_minute_share_a_datum),
        cmocka_unit_test(more_than_150_values_need_another_datum),
        cmocka_unit_test(series_are_capped_and_the_first_left_out_is_named),
        cmocka_unit_test(bad_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
