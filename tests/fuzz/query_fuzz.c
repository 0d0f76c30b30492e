/*
 * tests/fuzz/query_fuzz.c: any bytes as a Query form, as an expression of metric math over
 * real series, and as a statistic's name. Nothing may crash, hang or leak; a form has no
 * more values than parameters; a computed series is in order of time.
 */
#include "aws/cloudwatch/cw_math.h"
#include "aws/common/query.h"
#include "os/sim.h"

#include <stddef.h>

enum { START_S = 1767225600 };

static struct cw_store *store_make(void)
{
    struct cw_store *store;
    CHECK(cw_store_open(sim_os(sim_new(1)), "/cloudwatch", &store, NULL) == OK);
    struct cw_dimension dimension = {STR("sev"), STR("4")};
    for (i64 i = 0; i < 20; i++) {
        struct cw_datum datum = {.series = {STR("a"), STR("r"), STR("n"),
                                            i % 2 == 0 ? STR("m") : STR("o"), &dimension,
                                            i % 3 == 0},
                                 .time_s = START_S + i * 30,
                                 .value = {1, (double)i, (double)i, (double)i}};
        CHECK(cw_store_put(store, &datum, 1) == OK);
    }
    return store;
}

static isize scalars(const struct json_value *value)
{
    isize count = json_kind(value) == JSON_STRING;
    for (const struct json_value *v = json_first(value); v != NULL; v = json_next(v)) {
        count += scalars(v);
    }
    return count;
}

static void form_try(str text)
{
    struct arena arena = {0};
    const struct json_value *out;
    isize pairs = 1;
    for (isize i = 0; i < text.len; i++) {
        pairs += text.data[i] == '&';
    }
    if (query_parse(&arena, text, &out, NULL) == OK) {
        CHECK(scalars(out) <= pairs);
    }
    struct json_value value = {.kind = JSON_STRING, .text = text};
    i64 seconds;
    CHECK(query_time(&value, &seconds) != OK || seconds >= 0);
    arena_deinit(&arena);
}

static void math_try(struct cw_store *store, str text)
{
    struct arena arena = {0};
    struct aws_request request = {.caller = {.account = STR("a"), .region = STR("r")}};
    struct query_call call = {.request = &request, .arena = &arena};
    struct cw_query queries[] = {
        {.id = STR("a"), .series = {STR("a"), STR("r"), STR("n"), STR("m"), NULL, 0}},
        {.id = STR("b"), .series = {STR("a"), STR("r"), STR("n"), STR("o"), NULL, 0}},
        {.id = STR("e"), .expression = text},
    };
    for (int i = 0; i < 2; i++) {
        queries[i].period_s = 60;
        queries[i].unit = -1;
        CHECK(cw__stat_parse(STR("Sum"), &queries[i].stat));
    }
    struct cw_math math = {.call = &call,
                           .store = store,
                           .queries = queries,
                           .query_count = COUNT_OF(queries),
                           .from_s = START_S,
                           .to_s = START_S + 600};
    bool is_ok = cw__query_run(&math, &queries[2]);
    CHECK(is_ok != call.has_failed);
    const struct cw_value *value = &queries[2].value;
    for (isize i = 0; is_ok && i < value->count; i++) {
        for (isize k = 1; k < value->lines[i].count; k++) {
            CHECK(value->lines[i].times[k - 1] < value->lines[i].times[k]);
        }
    }
    struct cw_stat stat;
    struct cw_point point = {.value = {3, 6, 1, 3}, .is_opaque = true};
    double number;
    if (cw__stat_parse(text, &stat)) {
        IGNORE(cw__stat_value(&stat, &point, &number)); /* Must only not crash. */
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cw_store *store;
    store = store == NULL ? store_make() : store;
    str text = str_from(data, (isize)size);
    form_try(text);
    if (size > 0 && size <= 2048) {
        math_try(store, text);
    }
    return 0;
}
