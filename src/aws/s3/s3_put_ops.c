/* aws/s3/s3_put_ops.c: PutObject, DeleteObject, DeleteObjects. */
#include "aws/s3/s3_int.h"

/* If-None-Match: * and If-Match: what S3 takes on a write. */
bool s3__write_condition(struct s3_call *call, struct s3_condition *out)
{
    str none = str_trim(s3__header(call, "if-none-match"));
    *out = (struct s3_condition){
        .if_none_match_any = none.len > 0,
        .if_match = s3__unquote(s3__header(call, "if-match")),
    };
    if (none.len > 0 && !str_eq(none, STR("*"))) {
        return s3__fail(call, S3_NotImplemented, "If-None-Match must be * on a write");
    }
    if (none.len > 0 && out->if_match.len > 0) {
        return s3__fail(call, S3_NotImplemented,
                        "If-Match and If-None-Match cannot be given together on a write");
    }
    return true;
}

bool s3__fail_write(struct s3_call *call, const struct s3_condition *condition, err e)
{
    bool is_conditional = condition->if_none_match_any || condition->if_match.len > 0;
    if (is_conditional && (e == ERR_EXISTS || e == ERR_INVALID)) {
        return s3__fail(call, S3_PreconditionFailed, NULL);
    }
    if (condition->if_match.len > 0 && e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchKey, NULL);
    }
    if (e == ERR_EXISTS) { /* The bucket, which the row refers to, went meanwhile. */
        return s3__fail(call, S3_NoSuchBucket, NULL);
    }
    return s3__fail_err(call, e);
}

static bool put(struct s3_call *call, struct s3_writer *writer, struct s3_received *received)
{
    struct s3_attributes attributes = {0};
    struct s3_condition condition;
    if (!s3__write_condition(call, &condition) || !s3__attributes(call, &attributes) ||
        !s3__body_store(call, writer, S3_CRC64NVME, false, received)) {
        return false;
    }
    attributes.checksum_algorithm = s3_algorithm_name(received->algorithm);
    attributes.checksum = received->checksum;
    attributes.checksum_type = STR("FULL_OBJECT");
    err e = s3_writer_finish(writer);
    if (e == OK) {
        e = s3_object_put(call->store, call->bucket.id, call->key, writer, received->md5,
                          &attributes, &condition, NULL);
    }
    return e == OK || s3__fail_write(call, &condition, e);
}

void s3__put_object(struct s3_call *call)
{
    struct s3_writer *writer;
    struct s3_received received;
    if (!s3__headers_supported(call) || !s3__bucket(call)) {
        return;
    }
    err e = s3_writer_open(call->store, &writer);
    if (e != OK) {
        (void)s3__fail_err(call, e);
        return;
    }
    bool is_put = put(call, writer, &received);
    s3_writer_free(writer);
    if (is_put) {
        s3__field_etag(call, received.md5);
        s3__field_checksum(call, received.algorithm, received.checksum, STR("FULL_OBJECT"));
        s3__answer_empty(call, 200);
    }
}

/* --- deleting
 * -------------------------------------------------------------------------------------- */

void s3__delete_object(struct s3_call *call)
{
    struct s3_condition condition;
    if (!s3__bucket(call) || !s3__write_condition(call, &condition)) {
        return;
    }
    condition.if_none_match_any = false;
    err e = s3_objects_delete(call->store, call->bucket.id, &call->key, 1, &condition);
    if (e == OK) {
        s3__answer_empty(call, 204);
    } else {
        (void)s3__fail_write(call, &condition, e);
    }
}

struct doomed {
    str key;
    const char *error; /* NULL: it is deleted. */
    const char *message;
};

/* One <Object> of the request. */
static struct doomed doomed_take(const struct s3_xml *node)
{
    const struct s3_xml *key = s3_xml_child(node, "Key");
    struct doomed doomed = {.key = key->text};
    str version = s3_xml_text(node, "VersionId");
    if (version.len > 0 && !str_eq(version, STR("null"))) {
        doomed.error = "NoSuchVersion";
        doomed.message = "The specified version does not exist.";
    } else if (s3_xml_child(node, "ETag") != NULL || s3_xml_child(node, "Size") != NULL ||
               s3_xml_child(node, "LastModifiedTime") != NULL) {
        doomed.error = "NotImplemented";
        doomed.message = "conditions on one object of DeleteObjects are not supported by leat";
    } else if (key->text.len > S3_KEY_BYTES_MAX) {
        doomed.error = "KeyTooLongError";
        doomed.message = "Your key is too long";
    }
    return doomed;
}

static bool doomed_list(struct s3_call *call, const struct s3_xml *root, struct doomed **out,
                        isize *count_out)
{
    struct doomed *items = ARENA_ARRAY(call->arena, struct doomed, S3_LIST_MAX);
    isize count = 0;
    bool is_sound = root != NULL && str_eq(root->name, STR("Delete"));
    for (const struct s3_xml *at = is_sound ? root->child : NULL; at != NULL; at = at->next) {
        if (!str_eq(at->name, STR("Object"))) {
            continue;
        }
        const struct s3_xml *key = s3_xml_child(at, "Key");
        if (count == S3_LIST_MAX || key == NULL || key->text.len == 0) {
            return s3__fail(call, S3_MalformedXML, NULL);
        }
        items[count++] = doomed_take(at);
    }
    *out = items;
    *count_out = count;
    return count > 0 || s3__fail(call, S3_MalformedXML, NULL);
}

static void result_write(struct buf *out, const struct doomed *items, isize count, bool is_quiet)
{
    s3_xml_begin(out, "DeleteResult");
    for (isize i = 0; i < count; i++) {
        bool has_failed = items[i].error != NULL;
        if (!has_failed && is_quiet) {
            continue;
        }
        s3_xml_open(out, has_failed ? "Error" : "Deleted");
        s3_xml_put(out, "Key", items[i].key);
        if (has_failed) {
            s3_xml_put(out, "Code", str_of(items[i].error));
            s3_xml_put(out, "Message", str_of(items[i].message));
        }
        s3_xml_close(out, has_failed ? "Error" : "Deleted");
    }
    s3_xml_close(out, "DeleteResult");
}

void s3__delete_objects(struct s3_call *call)
{
    struct s3_xml *root;
    struct doomed *items = NULL;
    isize count = 0, key_count = 0;
    if (!s3__bucket(call) || !s3__body_xml(call, false, &root) ||
        !doomed_list(call, root, &items, &count)) {
        return;
    }
    str *keys = ARENA_ARRAY(call->arena, str, count);
    for (isize i = 0; i < count; i++) {
        if (items[i].error == NULL) {
            keys[key_count++] = items[i].key;
        }
    }
    err e = s3_objects_delete(call->store, call->bucket.id, keys, key_count, NULL);
    if (e != OK) {
        (void)s3__fail_err(call, e);
        return;
    }
    struct buf out = {0};
    result_write(&out, items, count, str_eq(s3_xml_text(root, "Quiet"), STR("true")));
    s3__answer(call, 200, &out);
}
