/* JSON documents: what is parsed, written again and parsed gives the same text. */
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No recursion deeper than JSON_DEPTH_MAX. */
static void put(const struct json_value *value, struct buf *out)
{
    switch (value->kind) {
    case JSON_NULL:
        buf_append(out, STR("null"));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_append(out, value->kind == JSON_TRUE ? STR("true") : STR("false"));
        break;
    case JSON_NUMBER:
        buf_append(out, value->text);
        break;
    case JSON_STRING:
        json_write_string(out, value->text);
        break;
    case JSON_BYTES:
        CHECK(false);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_append_byte(out, value->kind == JSON_ARRAY ? '[' : '{');
        for (const struct json_value *item = value->first; item != NULL; item = item->next) {
            buf_append(out, item == value->first ? STR_EMPTY : STR(","));
            if (value->kind == JSON_OBJECT) {
                CHECK(json_get(value, item->name) == item);
                json_write_string(out, item->name);
                buf_append_byte(out, ':');
            }
            put(item, out);
        }
        buf_append_byte(out, value->kind == JSON_ARRAY ? ']' : '}');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buf once = {0}, twice = {0};
    const struct json_value *value;
    struct diag diag;
    diag_init(&diag);
    err e = json_parse(&arena, str_from(data, (isize)size), &value, &diag);
    CHECK(diag_is_set(&diag) == (e != OK));
    if (e == OK) {
        put(value, &once);
        CHECK(json_parse(&arena, buf_str(&once), &value, NULL) == OK);
        put(value, &twice);
        CHECK(str_eq(buf_str(&once), buf_str(&twice)));
    }
    buf_deinit(&once);
    buf_deinit(&twice);
    arena_deinit(&arena);
    return 0;
}
