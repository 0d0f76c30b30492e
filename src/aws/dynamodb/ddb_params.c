/* aws/dynamodb/ddb_params.c: parameters that many operations have. */
#include "aws/common/names.h"
#include "aws/dynamodb/ddb_int.h"

enum { TABLE_NAME_MIN = 3, TABLE_NAME_MAX = 255, SHOWN_MAX = 256 };

bool ddb__store_failed(struct ddb_work *work, err e)
{
    return ddb_refuse(work, "InternalServerError", "the store did not take this: %s", err_text(e));
}

void ddb__member(struct buf *out, const char *name)
{
    buf_append(out, out->len == 0 ? STR("{\"") : STR(",\""));
    buf_append(out, str_of(name));
    buf_append(out, STR("\":"));
}

/* --- tables -------------------------------------------------------------------------------- */

void ddb__arn_write(struct buf *out, const struct ddb_table *table)
{
    buf_printf(out, "\"arn:%s:dynamodb:" STR_FMT ":" STR_FMT ":table/" STR_FMT "\"",
               aws_partition(table->region), STR_ARG(table->region), STR_ARG(table->account),
               STR_ARG(table->name));
}

/* "arn:aws:dynamodb:region:account:table/name": the name, when it is of the caller's world. */
static bool arn_take(struct ddb_call *call, struct ddb_work *work, str arn, str *out)
{
    str rest = arn, parts[6];
    for (int i = 0; i < 6; i++) {
        parts[i] = i < 5 ? str_split(&rest, ':', NULL) : rest;
    }
    bool is_arn = str_starts(parts[1], STR("aws")) && str_eq(parts[2], STR("dynamodb")) &&
                  str_starts(parts[5], STR("table/"));
    if (!is_arn) {
        return ddb_invalid(work, "Invalid TableArn: \"" STR_FMT "\"",
                           STR_ARG(str_slice(arn, 0, SHOWN_MAX)));
    }
    if (!str_eq(parts[3], call->scope.region) || !str_eq(parts[4], call->scope.account)) {
        return ddb_refuse(work, "AccessDeniedException",
                          "the table of \"" STR_FMT "\" is of another account or region than the "
                          "signature of this request (" STR_FMT ", " STR_FMT ")",
                          STR_ARG(str_slice(arn, 0, SHOWN_MAX)), STR_ARG(call->scope.account),
                          STR_ARG(call->scope.region));
    }
    *out = str_slice(parts[5], 6, parts[5].len);
    return true;
}

bool ddb__table_name(struct ddb_call *call, struct ddb_work *work, const struct json_value *value,
                     str *out)
{
    if (!json_is_set(value)) {
        return ddb_invalid(work, "1 validation error detected: Value null at 'tableName' failed "
                                 "to satisfy constraint: Member must not be null");
    }
    if (json_kind(value) != JSON_STRING) {
        return ddb_refuse(work, "SerializationException", "TableName is no string");
    }
    str name = json_text(value);
    if (str_starts(name, STR("arn:"))) {
        return arn_take(call, work, name, out);
    }
    const char *constraint = NULL;
    if (!ddb_is_name(name)) {
        constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
    } else if (name.len < TABLE_NAME_MIN) {
        constraint = "Member must have length greater than or equal to 3";
    } else if (name.len > TABLE_NAME_MAX) {
        constraint = "Member must have length less than or equal to 255";
    }
    if (constraint != NULL) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'tableName' failed to satisfy constraint: %s",
                           STR_ARG(str_slice(name, 0, SHOWN_MAX)), constraint);
    }
    *out = name;
    return true;
}

const struct ddb_table *ddb__table_named(struct ddb_call *call, struct ddb_work *work,
                                         const struct json_value *value, bool shows_name)
{
    str name = STR_EMPTY;
    if (!ddb__table_name(call, work, value, &name)) {
        return NULL;
    }
    const struct ddb_table *table = ddb_table_find(call->store, call->scope, name);
    if (table == NULL && shows_name) {
        (void)ddb_refuse(work, "ResourceNotFoundException",
                         "Requested resource not found: Table: " STR_FMT " not found",
                         STR_ARG(name));
    } else if (table == NULL) {
        (void)ddb_refuse(work, "ResourceNotFoundException", "Requested resource not found");
    }
    return table;
}

const struct ddb_table *ddb__table(struct ddb_call *call, struct ddb_work *work,
                                   const struct json_value *input, bool shows_name)
{
    return ddb__table_named(call, work, json_get(input, STR("TableName")), shows_name);
}

/* --- choices ------------------------------------------------------------------------------- */

int ddb__choice(struct ddb_work *work, const struct json_value *input, const char *member,
                const char *shown, const char *const *names)
{
    const struct json_value *value = json_get(input, str_of(member));
    if (!json_is_set(value)) {
        return 0;
    }
    for (int i = 0; names[i] != NULL; i++) {
        if (str_eq(json_text(value), str_of(names[i]))) {
            return i;
        }
    }
    struct buf list = {0};
    for (int i = 0; names[i] != NULL; i++) {
        buf_printf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    (void)ddb_invalid(work,
                      "1 validation error detected: Value '" STR_FMT
                      "' at '%s' failed to satisfy constraint: Member must satisfy enum value set: "
                      "[" STR_FMT "]",
                      STR_ARG(str_slice(json_text(value), 0, SHOWN_MAX)), shown,
                      STR_ARG(buf_str(&list)));
    buf_deinit(&list);
    return -1;
}

bool ddb__not_served(struct ddb_work *work, const struct json_value *input, const char *member)
{
    const struct json_value *value = json_get(input, str_of(member));
    return !json_is_set(value) ||
           ddb_invalid(work, "the parameter %s is not supported by leat", member);
}

/* --- expressions, or what was before them --------------------------------------------------- */

static const char *const expression_names[] = {"ConditionExpression",  "UpdateExpression",
                                               "ProjectionExpression", "KeyConditionExpression",
                                               "FilterExpression",     NULL};
static const char *const legacy_names[] = {
    "Expected",    "AttributeUpdates", "AttributesToGet",     "KeyConditions",
    "QueryFilter", "ScanFilter",       "ConditionalOperator", NULL};

/* Those that are there, as "{a, b}"; false when there are none. */
static bool names_found(const struct json_value *input, const char *const *names, struct buf *out)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (json_is_set(json_get(input, str_of(names[i])))) {
            buf_printf(out, "%s%s", out->len == 0 ? "{" : ", ", names[i]);
        }
    }
    bool is_any = out->len > 0;
    buf_append(out, is_any ? STR("}") : STR_EMPTY);
    return is_any;
}

static bool mixture_check(struct ddb_work *work, const struct json_value *input,
                          struct ddb_terms *out)
{
    struct buf legacy = {0}, expressions = {0};
    out->is_legacy = names_found(input, legacy_names, &legacy);
    bool has_expressions = names_found(input, expression_names, &expressions);
    if (out->is_legacy && has_expressions) {
        (void)ddb_invalid(work,
                          "Can not use both expression and non-expression parameters in the same "
                          "request: Non-expression parameters: " STR_FMT
                          " Expression parameters: " STR_FMT,
                          STR_ARG(buf_str(&legacy)), STR_ARG(buf_str(&expressions)));
    }
    buf_deinit(&legacy);
    buf_deinit(&expressions);
    static const char *const given[] = {"ExpressionAttributeNames", "ExpressionAttributeValues"};
    for (int i = 0; i < COUNT_OF(given) && !has_expressions; i++) {
        if (json_is_set(json_get(input, str_of(given[i])))) {
            return ddb_invalid(work, "%s can only be specified when using expressions", given[i]);
        }
    }
    return work->type == NULL;
}

/* The text of an expression; *found_out false when it is absent. */
static bool text_take(struct ddb_work *work, const struct json_value *input, const char *name,
                      str *out, bool *found_out)
{
    const struct json_value *value = json_get(input, str_of(name));
    *found_out = json_is_set(value);
    *out = json_text(value);
    return !*found_out || json_kind(value) == JSON_STRING ||
           ddb_refuse(work, "SerializationException", "%s is no string", name);
}

static bool condition_take(struct ddb_work *work, const struct json_value *input, const char *name,
                           struct ddb_terms *terms, struct ddb_condition **out)
{
    str text;
    bool found;
    return text_take(work, input, name, &text, &found) &&
           (!found || ddb_condition_parse(work, name, text, &terms->substitutes, out));
}

static bool expressions_parse(struct ddb_work *work, const struct json_value *input, int which,
                              struct ddb_terms *out)
{
    str text;
    if ((which & DDB_TERMS_QUERY) != 0 &&
        !condition_take(work, input, "KeyConditionExpression", out, &out->key)) {
        return false;
    }
    const char *name =
        (which & DDB_TERMS_CONDITION) != 0 ? "ConditionExpression" : "FilterExpression";
    if ((which & (DDB_TERMS_CONDITION | DDB_TERMS_QUERY | DDB_TERMS_SCAN)) != 0 &&
        !condition_take(work, input, name, out, &out->condition)) {
        return false;
    }
    if ((which & DDB_TERMS_UPDATE) != 0) {
        if (!text_take(work, input, "UpdateExpression", &text, &out->has_update) ||
            (out->has_update && !ddb_update_parse(work, text, &out->substitutes, &out->update))) {
            return false;
        }
    }
    if ((which & DDB_TERMS_PROJECTION) != 0) {
        if (!text_take(work, input, "ProjectionExpression", &text, &out->has_projection) ||
            (out->has_projection &&
             !ddb_projection_parse(work, text, &out->substitutes, &out->projection))) {
            return false;
        }
    }
    return ddb_substitutes_check(work, &out->substitutes);
}

static bool legacy_parse(struct ddb_work *work, const struct json_value *input, int which,
                         struct ddb_terms *out)
{
    const struct json_value *operator= json_get(input, STR("ConditionalOperator"));
    const struct json_value *expected = json_get(input, STR("Expected"));
    const struct json_value *shown = json_get(input, STR("AttributesToGet"));
    const struct json_value *keys = json_get(input, STR("KeyConditions"));
    const struct json_value *filter =
        json_get(input, (which & DDB_TERMS_QUERY) != 0 ? STR("QueryFilter") : STR("ScanFilter"));
    bool takes_condition = (which & DDB_TERMS_CONDITION) != 0 && json_is_set(expected);
    bool takes_filter = (which & (DDB_TERMS_QUERY | DDB_TERMS_SCAN)) != 0 && json_is_set(filter);
    if (json_is_set(operator) && !takes_condition && !takes_filter) {
        return ddb_invalid(work, "One or more parameter values were invalid: ConditionalOperator "
                                 "cannot be used without Filter or Expected");
    }
    if ((takes_condition && !ddb_expected_parse(work, expected, operator, & out->condition)) ||
        (takes_filter && !ddb_filter_parse(work, filter, operator, & out->condition))) {
        return false;
    }
    if ((which & DDB_TERMS_QUERY) != 0 && json_is_set(keys) &&
        !ddb_filter_parse(work, keys, NULL, &out->key)) {
        return false;
    }
    if ((which & DDB_TERMS_UPDATE) != 0) {
        out->has_update = true;
        if (!ddb_attribute_updates_parse(work, json_get(input, STR("AttributeUpdates")),
                                         &out->update)) {
            return false;
        }
    }
    out->has_projection = (which & DDB_TERMS_PROJECTION) != 0 && json_is_set(shown);
    return !out->has_projection || ddb_attributes_to_get_parse(work, shown, &out->projection);
}

bool ddb__terms_parse(struct ddb_work *work, const struct json_value *input, int which,
                      struct ddb_terms *out)
{
    *out = (struct ddb_terms){0};
    if (!mixture_check(work, input, out)) {
        return false;
    }
    if (out->is_legacy) {
        return legacy_parse(work, input, which, out);
    }
    return ddb_substitutes_parse(work, json_get(input, STR("ExpressionAttributeNames")),
                                 json_get(input, STR("ExpressionAttributeValues")),
                                 &out->substitutes) &&
           expressions_parse(work, input, which, out);
}
