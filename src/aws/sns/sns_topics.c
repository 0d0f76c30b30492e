/* aws/sns/sns_topics.c: topics, their attributes and tags. */
#include "aws/sns/sns_int.h"

enum { DISPLAY_NAME_MAX = 100, TAG_KEY_MAX = 128, TAG_VALUE_MAX = 256 };

static bool is_topic_name(str name)
{
    for (isize i = 0; i < name.len; i++) {
        u8 c = name.data[i];
        u8 lower = c | 0x20;
        bool is_fine =
            (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!is_fine) {
            return false;
        }
    }
    return name.len >= 1 && name.len <= SNS_NAME_MAX;
}

static isize characters(str text)
{
    isize count = 0;
    for (isize i = 0; i < text.len; i++) {
        count += (text.data[i] & 0xC0) != 0x80;
    }
    return count;
}

/* --- attributes ---------------------------------------------------------------------------- */

/* What a topic may be given. */
static bool attribute_check(struct query_call *call, str name, str value)
{
    if (!str_eq(name, STR("DisplayName"))) {
        sns__fail(call,
                  "AttributeName Reason: leat's topics have DisplayName only; \"" STR_FMT
                  "\" is not supported",
                  STR_ARG(str_slice(name, 0, 64)));
        return false;
    }
    bool is_fine = characters(value) <= DISPLAY_NAME_MAX;
    for (isize i = 0; i < value.len && is_fine; i++) {
        is_fine = value.data[i] >= 0x20 && value.data[i] != 0x7F;
    }
    if (!is_fine) {
        sns__fail(call,
                  "DisplayName Reason: it has at most %d characters, and no line breaks or "
                  "control characters",
                  DISPLAY_NAME_MAX);
    }
    return is_fine;
}

/* {"key", "value"} of a list in the form of pairs. */
static bool attributes_read(struct query_call *call, str *out)
{
    const struct json_value *list = json_get(call->input, STR("Attributes"));
    *out = STR_EMPTY;
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        str name = json_get_text(v, STR("key")), value = json_get_text(v, STR("value"));
        if (str_eq(name, STR("FifoTopic")) && str_eq(value, STR("false"))) {
            continue;
        }
        if (!attribute_check(call, name, value)) {
            return false;
        }
        *out = sns__pairs_set(call->arena, *out, name, &value);
    }
    return true;
}

void sns__get_topic_attributes(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_store *store;
    struct sns_topic topic;
    if (!sns__arn(call, "TopicArn", false, &arn) || !sns__store(call, &store) ||
        !sns__topic(call, store, &arn, &topic)) {
        return;
    }
    struct sns_subscription_counts counts;
    err e = sns_subscription_count(store, arn.scope, arn.topic, &counts);
    if (e != OK) {
        query_fail_err(call, e);
        return;
    }
    str display;
    IGNORE(sns__pairs_get(topic.attributes, STR("DisplayName"), &display)); /* May be none. */
    query_open_map(call, "Attributes");
    query_put_entry(call, STR("TopicArn"), sns__topic_arn(call->arena, arn.scope, arn.topic));
    query_put_entry(call, STR("Owner"), arn.scope.account);
    query_put_entry(call, STR("DisplayName"), display);
    query_put_entry(call, STR("SubscriptionsConfirmed"),
                    arena_printf(call->arena, "%lld", (long long)counts.confirmed));
    query_put_entry(call, STR("SubscriptionsPending"),
                    arena_printf(call->arena, "%lld", (long long)counts.pending));
    query_put_entry(call, STR("SubscriptionsDeleted"), STR("0"));
    query_close_map(call, "Attributes");
}

void sns__set_topic_attributes(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_store *store;
    struct sns_topic topic;
    str name, value = json_get_text(call->input, STR("AttributeValue"));
    if (!sns__arn(call, "TopicArn", false, &arn) ||
        !sns__required(call, call->input, "AttributeName", &name) ||
        !attribute_check(call, name, value) || !sns__store(call, &store) ||
        !sns__topic(call, store, &arn, &topic)) {
        return;
    }
    str attributes = sns__pairs_set(call->arena, topic.attributes, name, &value);
    err e = sns_topic_set(store, topic.id, attributes, topic.tags);
    if (e != OK) {
        query_fail_err(call, e);
    }
}

/* --- tags ---------------------------------------------------------------------------------- */

static bool tags_add(struct query_call *call, str *tags)
{
    const struct json_value *list = json_get(call->input, STR("Tags"));
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        str key, value = json_get_text(v, STR("Value"));
        if (!sns__required(call, v, "Key", &key)) {
            return false;
        }
        if (characters(key) > TAG_KEY_MAX || characters(value) > TAG_VALUE_MAX ||
            str_starts(key, STR("aws:")) || str_find_byte(key, 0, 0) >= 0 ||
            str_find_byte(value, 0, 0) >= 0) {
            sns__fail(call,
                      "Tags Reason: a key has 1 to %d characters and does not begin with "
                      "aws:, a value at most %d",
                      TAG_KEY_MAX, TAG_VALUE_MAX);
            return false;
        }
        *tags = sns__pairs_set(call->arena, *tags, key, &value);
    }
    isize count = 0;
    str rest = *tags, key, value;
    while (sns__pairs_next(&rest, &key, &value)) {
        count++;
    }
    if (count > SNS_TAGS_MAX) {
        query_fail(call, 400, "TagLimitExceeded",
                   "Could not complete request: tag quota of per resource exceeded");
        return false;
    }
    return true;
}

static bool tagged_find(struct query_call *call, struct sns_store **store, struct sns_topic *topic)
{
    struct sns_arn arn;
    if (!sns__arn(call, "ResourceArn", false, &arn) || !sns__store(call, store)) {
        return false;
    }
    err e = sns_topic_find(*store, arn.scope, arn.topic, call->arena, topic);
    if (e == ERR_NOT_FOUND) {
        query_fail(call, 404, "ResourceNotFound", "Resource does not exist");
    } else if (e != OK) {
        query_fail_err(call, e);
    }
    return e == OK;
}

void sns__tag_resource(struct query_call *call)
{
    struct sns_store *store;
    struct sns_topic topic;
    if (!tagged_find(call, &store, &topic) || !tags_add(call, &topic.tags)) {
        return;
    }
    err e = sns_topic_set(store, topic.id, topic.attributes, topic.tags);
    if (e != OK) {
        query_fail_err(call, e);
    }
}

void sns__untag_resource(struct query_call *call)
{
    struct sns_store *store;
    struct sns_topic topic;
    if (!tagged_find(call, &store, &topic)) {
        return;
    }
    const struct json_value *keys = json_get(call->input, STR("TagKeys"));
    for (const struct json_value *v = json_first(keys); v != NULL; v = json_next(v)) {
        topic.tags = sns__pairs_set(call->arena, topic.tags, json_text(v), NULL);
    }
    err e = sns_topic_set(store, topic.id, topic.attributes, topic.tags);
    if (e != OK) {
        query_fail_err(call, e);
    }
}

void sns__list_tags(struct query_call *call)
{
    struct sns_store *store;
    struct sns_topic topic;
    if (!tagged_find(call, &store, &topic)) {
        return;
    }
    query_open_list(call, "Tags");
    str key, value;
    while (sns__pairs_next(&topic.tags, &key, &value)) {
        query_open(call, NULL);
        query_put_text(call, "Key", key);
        query_put_text(call, "Value", value);
        query_close(call, NULL);
    }
    query_close_list(call, "Tags");
}

/* --- topics -------------------------------------------------------------------------------- */

/* Every pair of `some` is in `all`. */
static bool pairs_within(str some, str all)
{
    str name, value, other;
    while (sns__pairs_next(&some, &name, &value)) {
        if (!sns__pairs_get(all, name, &other) || !str_eq(value, other)) {
            return false;
        }
    }
    return true;
}

void sns__create_topic(struct query_call *call)
{
    struct sns_topic wanted = {0}, topic;
    struct sns_store *store;
    if (!sns__required(call, call->input, "Name", &wanted.name)) {
        return;
    }
    if (str_ends(wanted.name, STR(".fifo"))) {
        sns__fail(call, "Topic Name Reason: FIFO topics are not supported by leat");
        return;
    }
    if (!is_topic_name(wanted.name)) {
        sns__fail(call, "Topic Name");
        return;
    }
    if (!attributes_read(call, &wanted.attributes) || !tags_add(call, &wanted.tags) ||
        !sns__store(call, &store)) {
        return;
    }
    err e = sns_topic_create(store, sns__scope(call), &wanted, call->arena, &topic);
    if (e == ERR_LIMIT) {
        query_fail(call, 403, "TopicLimitExceeded", "there are %d topics already", SNS_TOPICS_MAX);
    } else if (e != OK) {
        query_fail_err(call, e);
    } else if (!pairs_within(wanted.attributes, topic.attributes)) {
        sns__fail(call, "Attributes Reason: Topic already exists with different attributes");
    } else if (!pairs_within(wanted.tags, topic.tags)) {
        sns__fail(call, "Tags Reason: Topic already exists with different tags");
    } else {
        query_put_text(call, "TopicArn", sns__topic_arn(call->arena, sns__scope(call), topic.name));
    }
}

void sns__delete_topic(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_store *store;
    if (!sns__arn(call, "TopicArn", false, &arn) || !sns__store(call, &store)) {
        return;
    }
    err e = sns_topic_delete(store, arn.scope, arn.topic);
    if (e != OK) {
        query_fail_err(call, e);
    }
}

void sns__list_topics(struct query_call *call)
{
    struct sns_page page;
    struct sns_store *store;
    struct sns_topic *items;
    isize count;
    if (!sns__page(call, &page) || !sns__store(call, &store)) {
        return;
    }
    err e = sns_topic_list(store, &page, call->arena, &items, &count);
    if (e != OK) {
        query_fail_err(call, e);
        return;
    }
    query_open_list(call, "Topics");
    for (isize i = 0; i < MIN(count, (isize)SNS_PAGE); i++) {
        query_open(call, NULL);
        query_put_text(call, "TopicArn", sns__topic_arn(call->arena, page.scope, items[i].name));
        query_close(call, NULL);
    }
    query_close_list(call, "Topics");
    if (count > SNS_PAGE) {
        sns__put_next_token(call, items[SNS_PAGE - 1].id);
    }
}
