/* aws/dynamodb/ddb_value_json.c: values as the API has them. */
#include "aws/dynamodb/ddb_number.h"
#include "aws/dynamodb/ddb_value.h"
#include "codec/base64.h"

#include <stdlib.h>

#define WRONG "One or more parameter values were invalid: "

/* --- reading ------------------------------------------------------------------------------- */

static bool conversion_error(struct ddb_work *work, const struct json_value *json,
                             const char *target)
{
    static const char *const kinds[] = {
        [JSON_NULL] = "NULL_VALUE",
        [JSON_TRUE] = "TRUE_VALUE",
        [JSON_FALSE] = "FALSE_VALUE",
        [JSON_NUMBER] = "NUMBER_VALUE",
        [JSON_STRING] = "STRING_VALUE",
        [JSON_ARRAY] = "Start of list",
        [JSON_OBJECT] = "Start of structure or map",
        [JSON_BYTES] = "BYTES_VALUE",
    };
    enum json_kind kind = json_kind(json);
    if (kind == JSON_ARRAY || kind == JSON_OBJECT) {
        return ddb_refuse(work, "SerializationException",
                          "Unrecognized collection type class %s: %s found where not expected.",
                          target, kinds[kind]);
    }
    return ddb_refuse(work, "SerializationException", "%s cannot be converted to %s", kinds[kind],
                      target);
}

static bool number_parse(struct ddb_work *work, str text, struct ddb_value *out)
{
    struct ddb_number number;
    switch (ddb_number_parse(text, &number)) {
    case DDB_NUMBER_OK:
        break;
    case DDB_NUMBER_SYNTAX:
        if (text.len == 0) {
            return ddb_invalid(work, "The parameter cannot be converted to a numeric value");
        }
        return ddb_invalid(work, "The parameter cannot be converted to a numeric value: " STR_FMT,
                           STR_ARG(str_slice(text, 0, 256)));
    case DDB_NUMBER_DIGITS:
        return ddb_invalid(work, "Attempting to store more than 38 significant digits in a Number");
    case DDB_NUMBER_OVERFLOW:
        return ddb_invalid(work, "Number overflow. Attempting to store a number with magnitude "
                                 "larger than supported range");
    case DDB_NUMBER_UNDERFLOW:
        return ddb_invalid(work, "Number underflow. Attempting to store a number with magnitude "
                                 "smaller than supported range");
    }
    char canonical[DDB_NUMBER_TEXT_MAX];
    out->text = arena_copy(work->arena, str_from(canonical, ddb_number_write(&number, canonical)));
    return true;
}

static bool scalar_parse(struct ddb_work *work, const struct json_value *json,
                         struct ddb_value *out)
{
    if (json_kind(json) != JSON_STRING) {
        return conversion_error(work, json, out->type == DDB_B ? "Blob" : "String");
    }
    if (out->type == DDB_S) {
        out->text = json_text(json);
        return true;
    }
    if (out->type == DDB_N) {
        return number_parse(work, json_text(json), out);
    }
    isize bytes = base64_decoded_bytes(json_text(json));
    u8 *data = bytes < 0 ? NULL : arena_alloc(work->arena, bytes + 64);
    if (data == NULL || base64_decode(json_text(json), data, &bytes) != OK) {
        return ddb_refuse(work, "SerializationException",
                          "A Blob is not valid base64: it must be padded, of the standard "
                          "alphabet, without blanks.");
    }
    out->text = str_from(data, bytes);
    return true;
}

static bool set_parse(struct ddb_work *work, const struct json_value *json, struct ddb_value *out)
{
    if (json_kind(json) != JSON_ARRAY) {
        return conversion_error(work, json, "List");
    }
    if (json_count(json) == 0) {
        return out->type == DDB_BS ? ddb_invalid(work, WRONG "Binary sets should not be empty")
                                   : ddb_invalid(work, WRONG "An %s set  may not be empty",
                                                 out->type == DDB_SS ? "string" : "number");
    }
    out->count = json_count(json);
    out->items = ARENA_ARRAY(work->arena, struct ddb_value, out->count);
    const struct json_value *item = json_first(json);
    for (isize i = 0; i < out->count; i++, item = json_next(item)) {
        out->items[i].type = ddb_set_item(out->type);
        if (!scalar_parse(work, item, &out->items[i])) {
            return false;
        }
    }
    qsort(out->items, (size_t)out->count, sizeof *out->items, ddb_element_cmp);
    for (isize i = 1; i < out->count; i++) {
        if (ddb_value_eq(&out->items[i - 1], &out->items[i])) {
            return ddb_invalid(work, WRONG "Input collection contains duplicates.");
        }
    }
    return true;
}

static bool value_parse(struct ddb_work *work, const struct json_value *json, int depth,
                        struct ddb_value *out);

static bool collection_parse(struct ddb_work *work, const struct json_value *json, int depth,
                             struct ddb_value *out)
{
    if (json_kind(json) != (out->type == DDB_M ? JSON_OBJECT : JSON_ARRAY)) {
        return conversion_error(work, json, out->type == DDB_M ? "Map" : "List");
    }
    if (depth >= DDB_DEPTH_MAX) {
        return ddb_invalid(work, "Nesting Levels have exceeded supported limits: Attributes in "
                                 "the item have nested levels beyond supported limit");
    }
    out->count = json_count(json);
    out->items = ARENA_ARRAY(work->arena, struct ddb_value, MAX(out->count, 1));
    const struct json_value *item = json_first(json);
    for (isize i = 0; i < out->count; i++, item = json_next(item)) {
        if (!value_parse(work, item, depth + 1, &out->items[i])) {
            return false;
        }
        out->items[i].name = json_name(item);
    }
    if (out->type == DDB_M) {
        qsort(out->items, (size_t)out->count, sizeof *out->items, ddb_name_cmp);
    }
    return true;
}

static bool flag_parse(struct ddb_work *work, const struct json_value *json, struct ddb_value *out)
{
    bool is_flag = json_kind(json) == JSON_TRUE || json_kind(json) == JSON_FALSE;
    if (!is_flag) {
        return conversion_error(work, json, "Boolean");
    }
    out->is_true = json_kind(json) == JSON_TRUE;
    if (out->type == DDB_NULL && !out->is_true) {
        return ddb_invalid(work, WRONG "Null attribute value types must have the value of true");
    }
    return true;
}

static bool value_parse(struct ddb_work *work, const struct json_value *json, int depth,
                        struct ddb_value *out)
{
    *out = (struct ddb_value){0};
    if (json_kind(json) != JSON_OBJECT) {
        return conversion_error(work, json, "AttributeValue");
    }
    const struct json_value *found = NULL;
    for (const struct json_value *v = json_first(json); v != NULL; v = json_next(v)) {
        enum ddb_type type;
        if (!json_is_set(v) || !ddb_type_find(json_name(v), &type)) {
            continue;
        }
        if (found != NULL) {
            return ddb_invalid(work, "Supplied AttributeValue has more than one datatypes set, "
                                     "must contain exactly one of the supported datatypes");
        }
        found = v;
        out->type = type;
    }
    if (found == NULL) {
        return ddb_invalid(work, "Supplied AttributeValue is empty, must contain exactly one of "
                                 "the supported datatypes");
    }
    if (ddb_is_ordered(out->type)) {
        return scalar_parse(work, found, out);
    }
    if (ddb_is_set(out->type)) {
        return set_parse(work, found, out);
    }
    return out->type == DDB_M || out->type == DDB_L ? collection_parse(work, found, depth, out)
                                                    : flag_parse(work, found, out);
}

bool ddb_value_parse(struct ddb_work *work, const struct json_value *json, struct ddb_value *out)
{
    return value_parse(work, json, 0, out);
}

bool ddb_item_parse(struct ddb_work *work, const struct json_value *json, struct ddb_value *out)
{
    *out = (struct ddb_value){.type = DDB_M};
    return collection_parse(work, json, -1, out);
}

/* --- writing ------------------------------------------------------------------------------- */

static void scalar_write(struct buf *out, const struct ddb_value *value)
{
    if (value->type == DDB_S) {
        json_write_string(out, value->text);
        return;
    }
    buf_append_byte(out, '"');
    if (value->type == DDB_N) {
        buf_append(out, value->text);
    } else {
        base64_append(out, value->text);
    }
    buf_append_byte(out, '"');
}

static void items_write(struct buf *out, const struct ddb_value *value)
{
    buf_append_byte(out, value->type == DDB_M ? '{' : '[');
    for (isize i = 0; i < value->count; i++) {
        const struct ddb_value *item = &value->items[i];
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        if (value->type == DDB_M) {
            json_write_string(out, item->name);
            buf_append_byte(out, ':');
        }
        if (ddb_is_set(value->type)) {
            scalar_write(out, item);
        } else {
            ddb_value_show(out, item);
        }
    }
    buf_append_byte(out, value->type == DDB_M ? '}' : ']');
}

void ddb_value_show(struct buf *out, const struct ddb_value *value)
{
    buf_append(out, STR("{\""));
    buf_append(out, str_of(ddb_type_name(value->type)));
    buf_append(out, STR("\":"));
    if (ddb_is_ordered(value->type)) {
        scalar_write(out, value);
    } else if (value->type == DDB_BOOL || value->type == DDB_NULL) {
        buf_append(out, value->is_true || value->type == DDB_NULL ? STR("true") : STR("false"));
    } else {
        items_write(out, value);
    }
    buf_append_byte(out, '}');
}

void ddb_item_show(struct buf *out, const struct ddb_value *item)
{
    items_write(out, item);
}
