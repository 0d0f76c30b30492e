/*
 * tests/fuzz/dynamodb_fuzz.c: the first byte says what the rest is: a condition, an
 * update, a projection, a number, an item on disk, or an item in JSON. Nothing may
 * crash, hang or leak; every refusal has a text; what is accepted runs; what was
 * read is written and read again as the same.
 */
#include "aws/dynamodb/ddb_expr.h"
#include "aws/dynamodb/ddb_number.h"

#include <stddef.h>

static const char item_text[] =
    "{\"n\":{\"N\":\"5\"},\"s\":{\"S\":\"abc\"},\"l\":{\"L\":[{\"N\":\"1\"},{\"L\":[]}]},"
    "\"m\":{\"M\":{\"k\":{\"BOOL\":true}}},\"x\":{\"SS\":[\"b\",\"a\"]},\"b\":{\"B\":\"AAE=\"}}";
static const char names_text[] = "{\"#a\":\"n\",\"#b\":\"m\"}";
static const char values_text[] =
    "{\":n\":{\"N\":\"1\"},\":s\":{\"S\":\"a\"},\":l\":{\"L\":[{\"N\":\"9\"}]},"
    "\":x\":{\"SS\":[\"a\",\"c\"]},\":b\":{\"B\":\"AA==\"}}";

static const struct json_value *json(struct arena *arena, const char *text)
{
    const struct json_value *value;
    CHECK(json_parse(arena, str_of(text), &value, NULL) == OK);
    return value;
}

static void refused(const struct ddb_work *work)
{
    CHECK(work->type != NULL);
    CHECK(work->message.len > 0);
}

static void same_again(struct arena *arena, const struct ddb_value *item)
{
    struct buf bytes = {0}, shown = {0};
    struct ddb_value back;
    ddb_item_encode(&bytes, item);
    CHECK(ddb_item_decode(arena, buf_str(&bytes), &back) == OK);
    CHECK(ddb_item_bytes(item) == ddb_item_bytes(&back));
    CHECK(ddb_value_eq(item, &back));
    ddb_item_show(&shown, item);
    CHECK(shown.len >= 2);
    buf_deinit(&bytes);
    buf_deinit(&shown);
}

static void expression_try(struct arena *arena, int kind, str text)
{
    struct ddb_work work = {.arena = arena};
    struct ddb_substitutes s;
    struct ddb_value item;
    CHECK(ddb_item_parse(&work, json(arena, item_text), &item));
    CHECK(ddb_substitutes_parse(&work, json(arena, names_text), json(arena, values_text), &s));
    struct ddb_condition *condition = NULL;
    struct ddb_update update;
    struct ddb_projection projection;
    bool is_good;
    if (kind == 0) {
        is_good = ddb_condition_parse(&work, "ConditionExpression", text, &s, &condition);
        if (is_good) {
            (void)ddb_condition_holds(condition, &item);
        }
    } else if (kind == 1) {
        struct ddb_value copy = ddb_copy(arena, &item);
        is_good =
            ddb_update_parse(&work, text, &s, &update) && ddb_update_apply(&work, &update, &copy);
        if (is_good) {
            same_again(arena, &copy);
        }
    } else {
        is_good = ddb_projection_parse(&work, text, &s, &projection);
        if (is_good) {
            struct ddb_value part = ddb_project(arena, &projection, &item);
            same_again(arena, &part);
        }
    }
    if (!is_good) {
        refused(&work);
    }
}

static void number_try(str text)
{
    struct ddb_number n, again, sum;
    char shown[DDB_NUMBER_TEXT_MAX];
    u8 key[DDB_NUMBER_KEY_MAX];
    if (ddb_number_parse(text, &n) != DDB_NUMBER_OK) {
        return;
    }
    isize len = ddb_number_write(&n, shown);
    CHECK(ddb_number_parse(str_from(shown, len), &again) == DDB_NUMBER_OK);
    CHECK(ddb_number_cmp(&n, &again) == 0);
    CHECK(ddb_number_key(&n, key) > 0);
    CHECK(ddb_number_add(&n, &again, true, &sum) == DDB_NUMBER_OK);
    CHECK(sum.count == 0);
}

static void json_try(struct arena *arena, str text)
{
    struct ddb_work work = {.arena = arena};
    struct ddb_value item;
    const struct json_value *value;
    if (json_parse(arena, text, &value, NULL) != OK) {
        return;
    }
    if (ddb_item_parse(&work, value, &item)) {
        same_again(arena, &item);
    } else {
        refused(&work);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
    enum { KINDS = 6, BYTES_MAX = 1 << 16 };
    if (bytes < 1 || bytes > BYTES_MAX) {
        return 0;
    }
    struct arena arena = {0};
    struct ddb_value item;
    str text = {data + 1, (isize)bytes - 1};
    int kind = data[0] % KINDS;
    if (kind < 3) {
        expression_try(&arena, kind, text);
    } else if (kind == 3) {
        number_try(text);
    } else if (kind == 4) {
        IGNORE(ddb_item_decode(&arena, text, &item)); /* Damage is told, and nothing more. */
    } else {
        json_try(&arena, text);
    }
    arena_deinit(&arena);
    return 0;
}
