/* aws/sns/sns_input.c: ARNs, pages, pairs: what operations of SNS read. */
#include "aws/sns/sns_int.h"

#include <stdarg.h>
#include <stdio.h>

void sns__fail(struct query_call *call, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    query_fail(call, 400, "InvalidParameter", "Invalid parameter: %s", text);
}

bool sns__required(struct query_call *call, const struct json_value *object, const char *name,
                   str *out)
{
    *out = json_get_text(object, str_of(name));
    if (out->len > 0) {
        return true;
    }
    bool is_there = json_is_set(json_get(object, str_of(name)));
    query_fail(call, 400, is_there ? "InvalidParameter" : "ValidationError",
               is_there ? "Invalid parameter: %s"
                        : "1 validation error detected: Value null at '%s' failed to satisfy "
                          "constraint: Member must not be null",
               name);
    return false;
}

/* --- ARNs ---------------------------------------------------------------------------------- */

struct sns_scope sns__scope(const struct query_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    return (struct sns_scope){caller->account, caller->region};
}

str sns__topic_arn(struct arena *arena, struct sns_scope scope, str topic)
{
    return arena_printf(arena, "arn:aws:sns:" STR_FMT ":" STR_FMT ":" STR_FMT,
                        STR_ARG(scope.region), STR_ARG(scope.account), STR_ARG(topic));
}

str sns__subscription_arn(struct arena *arena, struct sns_scope scope,
                          const struct sns_subscription *subscription)
{
    return arena_printf(arena, STR_FMT ":" STR_FMT,
                        STR_ARG(sns__topic_arn(arena, scope, subscription->topic)),
                        STR_ARG(subscription->uuid));
}

static bool scope_check(struct query_call *call, const char *name, const struct sns_arn *arn)
{
    struct sns_scope own = sns__scope(call);
    if (!call->request->caller.is_signed) {
        return true;
    }
    if (!str_eq(arn->scope.region, own.region)) {
        sns__fail(call, "%s Reason: it is in the region " STR_FMT ", the request is for " STR_FMT,
                  name, STR_ARG(str_slice(arn->scope.region, 0, 40)), STR_ARG(own.region));
        return false;
    }
    if (!str_eq(arn->scope.account, own.account)) {
        query_fail(call, 403, "AuthorizationError",
                   "%s is of the account " STR_FMT ", the caller is " STR_FMT
                   " (an access key of 12 digits is the account)",
                   name, STR_ARG(str_slice(arn->scope.account, 0, 40)), STR_ARG(own.account));
        return false;
    }
    return true;
}

bool sns__arn(struct query_call *call, const char *name, bool is_subscription, struct sns_arn *out)
{
    str text;
    if (!sns__required(call, call->input, name, &text)) {
        return false;
    }
    str parts[8], rest = text;
    int count = 0;
    bool has_more = true;
    while (has_more && count < COUNT_OF(parts)) {
        parts[count++] = str_split(&rest, ':', &has_more);
    }
    if (count < 6) {
        sns__fail(call, "%s Reason: An ARN must have at least 6 elements, not %d", name, count);
        return false;
    }
    bool is_sns = str_eq(parts[0], STR("arn")) && str_eq(parts[2], STR("sns"));
    if (!is_sns || has_more || count != (is_subscription ? 7 : 6) || parts[5].len == 0) {
        sns__fail(call, "%s", name);
        return false;
    }
    *out = (struct sns_arn){.scope = {parts[4], parts[3]},
                            .topic = parts[5],
                            .uuid = is_subscription ? parts[6] : STR_EMPTY};
    return scope_check(call, name, out);
}

bool sns__topic(struct query_call *call, struct sns_store *store, const struct sns_arn *arn,
                struct sns_topic *out)
{
    err e = sns_topic_find(store, arn->scope, arn->topic, call->arena, out);
    if (e == ERR_NOT_FOUND) {
        query_fail(call, 404, "NotFound", "Topic does not exist");
    } else if (e != OK) {
        query_fail_err(call, e);
    }
    return e == OK;
}

/* --- pages --------------------------------------------------------------------------------- */

bool sns__page(struct query_call *call, struct sns_page *out)
{
    const struct json_value *token = json_get(call->input, STR("NextToken"));
    *out = (struct sns_page){.scope = sns__scope(call), .max = SNS_PAGE + 1};
    if (json_text(token).len > 0 && str_to_i64(json_text(token), &out->after) != OK) {
        sns__fail(call, "NextToken");
        return false;
    }
    return true;
}

void sns__put_next_token(struct query_call *call, i64 id)
{
    query_put_text(call, "NextToken", arena_printf(call->arena, "%lld", (long long)id));
}

/* --- pairs --------------------------------------------------------------------------------- */

bool sns__pairs_next(str *rest, str *name_out, str *value_out)
{
    if (rest->len == 0) {
        return false;
    }
    *name_out = str_split(rest, '\0', NULL);
    *value_out = str_split(rest, '\0', NULL);
    return true;
}

bool sns__pairs_get(str pairs, str name, str *value_out)
{
    str found;
    while (sns__pairs_next(&pairs, &found, value_out)) {
        if (str_eq(found, name)) {
            return true;
        }
    }
    *value_out = STR_EMPTY;
    return false;
}

static void pair_append(struct buf *out, str name, str value)
{
    buf_append(out, name);
    buf_append_byte(out, 0);
    buf_append(out, value);
    buf_append_byte(out, 0);
}

str sns__pairs_set(struct arena *arena, str pairs, str name, const str *value)
{
    struct buf out = {0};
    str found, old;
    bool is_done = false;
    while (sns__pairs_next(&pairs, &found, &old)) {
        if (!str_eq(found, name)) {
            pair_append(&out, found, old);
        } else if (value != NULL) {
            pair_append(&out, name, *value);
            is_done = true;
        }
    }
    if (value != NULL && !is_done) {
        pair_append(&out, name, *value);
    }
    str copy = arena_copy(arena, buf_str(&out));
    buf_deinit(&out);
    return copy;
}
