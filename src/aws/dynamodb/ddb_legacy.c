/*
 * aws/dynamodb/ddb_legacy.c: the parameters of the first API as the trees of
 * expressions. Kinesis Client Library 1 and 2 write their leases with them.
 */
#include "aws/dynamodb/ddb_expr_int.h"

#define WRONG "One or more parameter values were invalid: "

static struct ddb_path path_of(struct arena *arena, str name)
{
    struct ddb_path path = {ARENA_NEW(arena, struct ddb_step), 1};
    path.steps[0].name = name;
    return path;
}

/* --- conditions ---------------------------------------------------------------------------- */

static const struct comparison {
    const char *name;
    enum ddb_op op;
    int low, high; /* Number of values. */
} comparisons[] = {
    {"EQ", DDB_EQ, 1, 1},
    {"NE", DDB_NE, 1, 1},
    {"IN", DDB_IN, 1, DDB_IN_OPERANDS_MAX},
    {"LE", DDB_LE, 1, 1},
    {"LT", DDB_LT, 1, 1},
    {"GE", DDB_GE, 1, 1},
    {"GT", DDB_GT, 1, 1},
    {"BETWEEN", DDB_BETWEEN, 2, 2},
    {"NOT_NULL", DDB_EXISTS, 0, 0},
    {"NULL", DDB_NOT_EXISTS, 0, 0},
    {"CONTAINS", DDB_CONTAINS, 1, 1},
    {"NOT_CONTAINS", DDB_NOT_CONTAINS, 1, 1},
    {"BEGINS_WITH", DDB_BEGINS, 1, 1},
};

static const struct comparison *comparison_find(str name)
{
    for (isize i = 0; i < COUNT_OF(comparisons); i++) {
        if (str_eq(name, str_of(comparisons[i].name))) {
            return &comparisons[i];
        }
    }
    return NULL;
}

static bool value_fits(const struct comparison *c, enum ddb_type type)
{
    switch ((int)c->op) {
    case DDB_EQ:
    case DDB_NE:
        return true;
    case DDB_IN:
    case DDB_CONTAINS:
    case DDB_NOT_CONTAINS:
        return ddb_is_ordered(type) || type == DDB_BOOL || type == DDB_NULL;
    case DDB_BEGINS:
        return type == DDB_S || type == DDB_B;
    default:
        return ddb_is_ordered(type);
    }
}

static bool values_parse(struct ddb_work *work, const struct comparison *c,
                         const struct json_value *list, struct ddb_condition *out)
{
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        struct ddb_operand *operand = &out->operands[out->count++];
        operand->kind = DDB_OPERAND_VALUE;
        if (!ddb_value_parse(work, v, &operand->value)) {
            return false;
        }
        enum ddb_type type = operand->value.type;
        if (!value_fits(c, type)) {
            return ddb_invalid(
                work, WRONG "ComparisonOperator %s is not valid for %s AttributeValue type",
                c->name, ddb_type_name(type));
        }
        if (out->count > 2 && out->operands[1].value.type != type) {
            return ddb_invalid(work, WRONG "AttributeValues inside AttributeValueList must be of "
                                           "same type");
        }
    }
    if (c->op == DDB_BETWEEN &&
        ddb_value_cmp(&out->operands[1].value, &out->operands[2].value) > 0) {
        return ddb_invalid(work, "The BETWEEN condition was provided a range where the lower "
                                 "bound is greater than the upper bound");
    }
    return true;
}

/* `list`: the values, as a JSON array or as one value with a count of 1. */
static bool comparison_parse(struct ddb_work *work, str attribute, str operator_name,
                             const struct json_value *list, struct ddb_condition **out)
{
    const struct comparison *c = comparison_find(operator_name);
    if (c == NULL) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'comparisonOperator' failed to satisfy constraint: Member must "
                           "satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, "
                           "NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
                           STR_ARG(str_slice(operator_name, 0, 256)));
    }
    isize count = json_count(list);
    if (json_is_set(list) && json_kind(list) != JSON_ARRAY) {
        return ddb_refuse(work, "SerializationException", "AttributeValueList is no list");
    }
    if (count < c->low || count > c->high) {
        return ddb_invalid(
            work, WRONG "Invalid number of argument(s) for the %s ComparisonOperator", c->name);
    }
    *out = ARENA_NEW(work->arena, struct ddb_condition);
    (*out)->op = c->op;
    (*out)->operands = ARENA_ARRAY(work->arena, struct ddb_operand, count + 1);
    (*out)->operands[0].path = path_of(work->arena, attribute);
    (*out)->count = 1;
    return values_parse(work, c, list, *out);
}

static bool parent_make(struct ddb_work *work, const struct json_value *map, const char *what,
                        const struct json_value *conditional_operator, struct ddb_condition **out)
{
    str text = json_text(conditional_operator);
    bool is_or = str_eq(text, STR("OR"));
    if (json_kind(map) != JSON_OBJECT) {
        return ddb_refuse(work, "SerializationException", "%s is no map", what);
    }
    if (json_is_set(conditional_operator) && !is_or && !str_eq(text, STR("AND"))) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'conditionalOperator' failed to satisfy constraint: Member must "
                           "satisfy enum value set: [OR, AND]",
                           STR_ARG(str_slice(text, 0, 256)));
    }
    *out = ARENA_NEW(work->arena, struct ddb_condition);
    (*out)->op = is_or && json_count(map) > 0 ? DDB_OR : DDB_AND;
    return true;
}

static bool entry_check(struct ddb_work *work, const struct json_value *entry)
{
    return json_kind(entry) == JSON_OBJECT ||
           ddb_refuse(work, "SerializationException", "a structure is expected for \"" STR_FMT "\"",
                      STR_ARG(str_slice(json_name(entry), 0, 255)));
}

bool ddb_filter_parse(struct ddb_work *work, const struct json_value *filter,
                      const struct json_value *conditional_operator, struct ddb_condition **out)
{
    if (!parent_make(work, filter, "the filter", conditional_operator, out)) {
        return false;
    }
    for (const struct json_value *v = json_first(filter); v != NULL; v = json_next(v)) {
        struct ddb_condition *child = NULL;
        if (!entry_check(work, v) ||
            !comparison_parse(work, json_name(v), json_get_text(v, STR("ComparisonOperator")),
                              json_get(v, STR("AttributeValueList")), &child)) {
            return false;
        }
        ddb__child_add(*out, child);
    }
    return true;
}

/* Exists and Value, as before there were comparisons. */
static bool existence_parse(struct ddb_work *work, const struct json_value *entry,
                            struct ddb_condition **out)
{
    str name = json_name(entry);
    const struct json_value *value = json_get(entry, STR("Value"));
    bool exists = json_get_bool(entry, STR("Exists"), true);
    if (exists && !json_is_set(value)) {
        return ddb_invalid(
            work, WRONG "Value must be provided when Exists is %s for Attribute: " STR_FMT,
            json_is_set(json_get(entry, STR("Exists"))) ? "true" : "null", STR_ARG(name));
    }
    if (!exists && json_is_set(value)) {
        return ddb_invalid(
            work, WRONG "Value cannot be used when Exists is false for Attribute: " STR_FMT,
            STR_ARG(name));
    }
    struct json_value list = {.kind = JSON_ARRAY};
    struct json_value copy;
    if (exists) {
        copy = *value;
        copy.next = NULL;
        list.count = 1;
        list.first = &copy;
    }
    return comparison_parse(work, name, exists ? STR("EQ") : STR("NULL"), &list, out);
}

static bool expectation_parse(struct ddb_work *work, const struct json_value *entry,
                              struct ddb_condition **out)
{
    const struct json_value *name = json_get(entry, STR("ComparisonOperator"));
    const struct json_value *list = json_get(entry, STR("AttributeValueList"));
    const struct json_value *value = json_get(entry, STR("Value"));
    if (json_is_set(list) && json_is_set(value)) {
        return ddb_invalid(work,
                           WRONG "Value and AttributeValueList cannot be used together for "
                                 "Attribute: " STR_FMT,
                           STR_ARG(json_name(entry)));
    }
    if (!json_is_set(name)) {
        return !json_is_set(list) ? existence_parse(work, entry, out)
                                  : ddb_invalid(work,
                                                WRONG "AttributeValueList can only be used with a "
                                                      "ComparisonOperator for Attribute: " STR_FMT,
                                                STR_ARG(json_name(entry)));
    }
    if (json_is_set(json_get(entry, STR("Exists")))) {
        return ddb_invalid(work,
                           WRONG "Exists and ComparisonOperator cannot be used together for "
                                 "Attribute: " STR_FMT,
                           STR_ARG(json_name(entry)));
    }
    struct json_value single = {.kind = JSON_ARRAY};
    struct json_value copy;
    if (json_is_set(value)) {
        copy = *value;
        copy.next = NULL;
        single.count = 1;
        single.first = &copy;
        list = &single;
    }
    return comparison_parse(work, json_name(entry), json_text(name), list, out);
}

bool ddb_expected_parse(struct ddb_work *work, const struct json_value *expected,
                        const struct json_value *conditional_operator, struct ddb_condition **out)
{
    *out = NULL;
    if (!json_is_set(expected)) {
        return true;
    }
    if (!parent_make(work, expected, "Expected", conditional_operator, out)) {
        return false;
    }
    for (const struct json_value *v = json_first(expected); v != NULL; v = json_next(v)) {
        struct ddb_condition *child = NULL;
        if (!entry_check(work, v) || !expectation_parse(work, v, &child)) {
            return false;
        }
        ddb__child_add(*out, child);
    }
    return true;
}

/* --- updates ------------------------------------------------------------------------------- */

static bool action_parse(struct ddb_work *work, const struct json_value *entry,
                         struct ddb_action *out)
{
    const struct json_value *value = json_get(entry, STR("Value"));
    const struct json_value *name = json_get(entry, STR("Action"));
    str action = json_is_set(name) ? json_text(name) : STR("PUT");
    bool is_put = str_eq(action, STR("PUT")), is_add = str_eq(action, STR("ADD"));
    bool is_delete = str_eq(action, STR("DELETE"));
    if (!is_put && !is_add && !is_delete) {
        return ddb_invalid(
            work,
            "1 validation error detected: Value '" STR_FMT "' at 'attributeUpdates." STR_FMT
            ".member.action' failed to satisfy constraint: Member must satisfy "
            "enum value set: [ADD, DELETE, PUT]",
            STR_ARG(str_slice(action, 0, 256)), STR_ARG(str_slice(json_name(entry), 0, 255)));
    }
    out->path = path_of(work->arena, json_name(entry));
    out->kind = is_put ? DDB_SET : (is_add ? DDB_ADD : DDB_REMOVE);
    if (!json_is_set(value)) {
        return is_delete || ddb_invalid(work, WRONG "Only DELETE action is allowed when no "
                                                    "attribute value is specified");
    }
    out->operand.kind = DDB_OPERAND_VALUE;
    if (!ddb_value_parse(work, value, &out->operand.value)) {
        return false;
    }
    enum ddb_type type = out->operand.value.type;
    bool fits = is_put || ddb_is_set(type) || (is_add && (type == DDB_N || type == DDB_L));
    out->kind = is_delete ? DDB_DELETE : out->kind;
    return fits || ddb_invalid(work, WRONG "%s action is not supported for the type %s",
                               is_add ? "ADD" : "DELETE", ddb_type_name(type));
}

bool ddb_attribute_updates_parse(struct ddb_work *work, const struct json_value *updates,
                                 struct ddb_update *out)
{
    *out = (struct ddb_update){.is_legacy = true};
    if (!json_is_set(updates)) {
        return true;
    }
    if (json_kind(updates) != JSON_OBJECT) {
        return ddb_refuse(work, "SerializationException", "AttributeUpdates is no map");
    }
    out->actions = ARENA_ARRAY(work->arena, struct ddb_action, MAX(json_count(updates), 1));
    for (const struct json_value *v = json_first(updates); v != NULL; v = json_next(v)) {
        if (!entry_check(work, v) || !action_parse(work, v, &out->actions[out->count])) {
            return false;
        }
        out->count++;
    }
    return true;
}

/* --- projections --------------------------------------------------------------------------- */

bool ddb_attributes_to_get_parse(struct ddb_work *work, const struct json_value *names,
                                 struct ddb_projection *out)
{
    *out = (struct ddb_projection){0};
    if (json_kind(names) != JSON_ARRAY) {
        return ddb_refuse(work, "SerializationException", "AttributesToGet is no list");
    }
    if (json_count(names) == 0 || json_count(names) > 255) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '[]' at 'attributesToGet' failed to "
                           "satisfy constraint: Member must have length between 1 and 255");
    }
    out->paths = ARENA_ARRAY(work->arena, struct ddb_path, json_count(names));
    for (const struct json_value *v = json_first(names); v != NULL; v = json_next(v)) {
        if (json_kind(v) != JSON_STRING) {
            return ddb_refuse(work, "SerializationException",
                              "an element of AttributesToGet is no string");
        }
        for (isize i = 0; i < out->count; i++) {
            if (str_eq(out->paths[i].steps[0].name, json_text(v))) {
                return ddb_invalid(work, WRONG "Duplicate value in attribute name: " STR_FMT,
                                   STR_ARG(str_slice(json_text(v), 0, 255)));
            }
        }
        out->paths[out->count++] = path_of(work->arena, json_text(v));
    }
    return true;
}
