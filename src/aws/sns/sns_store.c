/* aws/sns/sns_store.c: topics and subscriptions. Mails are in sns_inbox.c. */
#include "aws/sns/sns_store_int.h"

#include "aws/common/names.h"

#include <stdio.h>

enum { TOKEN_BYTES = 32 };
static const i64 TOKEN_LIFE_US = (i64)SNS_TOKEN_DAYS * 86400 * 1000000;
/* Of a subscription, on disk. */
enum { FLAG_CONFIRMED = 1, FLAG_AUTHENTICATED = 2, FLAG_SIGNED_UNSUBSCRIBE = 4 };

static const char *const migrations[] = {
    "CREATE TABLE topics(id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL,"
    " region TEXT NOT NULL, name TEXT NOT NULL, attributes BLOB NOT NULL, tags BLOB NOT NULL,"
    " created_us INTEGER NOT NULL, UNIQUE(account, region, name));"
    "CREATE TABLE subscriptions(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " topic INTEGER NOT NULL REFERENCES topics(id) ON DELETE CASCADE, uuid TEXT NOT NULL UNIQUE,"
    " protocol TEXT NOT NULL, endpoint TEXT NOT NULL, token TEXT NOT NULL,"
    " flags INTEGER NOT NULL, created_us INTEGER NOT NULL, UNIQUE(topic, protocol, endpoint));"
    "CREATE TABLE mails(id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL,"
    " account TEXT NOT NULL, region TEXT NOT NULL, topic_arn TEXT NOT NULL,"
    " protocol TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,"
    " subject TEXT NOT NULL, body TEXT NOT NULL, raw BLOB NOT NULL, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, next_us INTEGER NOT NULL, error TEXT NOT NULL);"
    "CREATE INDEX mails_due ON mails(next_us) WHERE state = 1",
    "CREATE INDEX mails_by_state ON mails(state)",
};

static err topics_count(struct sns_store *store)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(store->db, "SELECT COUNT(*) FROM topics");
    err e = ERR_IO;
    if (store_row(store->db, s, &e)) {
        store->topic_count = sqlite3_column_int64(s, 0);
        e = OK;
    }
    (void)sqlite3_reset(s);
    store_unlock(store->db);
    return e;
}

err sns_store_open(struct os *os, const char *dir, struct sns_store **out, struct diag *diag)
{
    struct sns_store *store = NEW(struct sns_store);
    store->os = os;
    char path[1024];
    err e = os_mkdir_all(os, dir);
    if (e == OK) {
        (void)snprintf(path, sizeof path, "%s/sns.sqlite", dir);
        e = store_open(os, path, migrations, (int)COUNT_OF(migrations), &store->db, diag);
    }
    if (e == OK) {
        e = topics_count(store);
    }
    if (e != OK) {
        store_close(store->db);
        mem_free(store);
        return diag_set(diag, e, "SNS001", "cannot open the topics in \"%s\": %s", dir,
                        err_text(e));
    }
    *out = store;
    return OK;
}

struct store *sns_store_database(struct sns_store *store)
{
    return store->db;
}

void sns_store_close(struct sns_store *store)
{
    if (store != NULL) {
        store_close(store->db);
        mem_free(store);
    }
}

err sns_store_reset(struct sns_store *store)
{
    static const char *const statements[] = {"DELETE FROM subscriptions", "DELETE FROM topics",
                                             "DELETE FROM mails"};
    (void)store_lock(store->db);
    err e = OK;
    for (int i = 0; i < COUNT_OF(statements) && e == OK; i++) {
        e = store_run(store->db, store_statement(store->db, statements[i]));
    }
    store->topic_count = e == OK ? 0 : store->topic_count;
    store_unlock(store->db);
    return e;
}

static void hex_random(struct os *os, isize bytes, char *out)
{
    u8 random[TOKEN_BYTES];
    CHECK(bytes <= TOKEN_BYTES);
    os_random(os, random, bytes);
    for (isize i = 0; i < bytes; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", random[i]);
    }
}

/* --- topics
 * ------------------------------------------------------------------------------------------- */

static void topic_take(sqlite3_stmt *s, struct arena *arena, struct sns_topic *out)
{
    *out = (struct sns_topic){
        .id = sqlite3_column_int64(s, 0),
        .name = arena_copy(arena, store_text(s, 1)),
        .attributes = arena_copy(arena, store_blob(s, 2)),
        .tags = arena_copy(arena, store_blob(s, 3)),
        .created_us = sqlite3_column_int64(s, 4),
    };
}

static err topic_select(struct sns_store *store, struct sns_scope scope, str name,
                        struct arena *arena, struct sns_topic *out)
{
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT id, name, attributes, tags, created_us FROM topics"
                                   " WHERE account = ?1 AND region = ?2 AND name = ?3");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, name);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, s, &e)) {
        topic_take(s, arena, out);
        e = OK;
    }
    (void)sqlite3_reset(s);
    return e;
}

static err topic_insert(struct sns_store *store, struct sns_scope scope, str name, str attributes,
                        str tags)
{
    if (store->topic_count >= SNS_TOPICS_MAX) {
        return ERR_LIMIT;
    }
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT INTO topics(account, region, name, attributes, tags, created_us)"
                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, name);
    store_bind_blob(s, 4, attributes);
    store_bind_blob(s, 5, tags);
    (void)sqlite3_bind_int64(s, 6, os_wall_us(store->os));
    TRY(store_run(store->db, s));
    store->topic_count++;
    return OK;
}

err sns_topic_create(struct sns_store *store, struct sns_scope scope,
                     const struct sns_topic *wanted, struct arena *arena, struct sns_topic *out)
{
    (void)store_lock(store->db);
    err e = topic_select(store, scope, wanted->name, arena, out);
    if (e == ERR_NOT_FOUND) {
        e = topic_insert(store, scope, wanted->name, wanted->attributes, wanted->tags);
        if (e == OK) {
            e = topic_select(store, scope, wanted->name, arena, out);
        }
    }
    store_unlock(store->db);
    return e;
}

err sns_topic_find(struct sns_store *store, struct sns_scope scope, str name, struct arena *arena,
                   struct sns_topic *out)
{
    (void)store_lock(store->db);
    err e = topic_select(store, scope, name, arena, out);
    store_unlock(store->db);
    return e;
}

err sns_topic_set(struct sns_store *store, i64 id, str attributes, str tags)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "UPDATE topics SET attributes = ?2, tags = ?3 WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, id);
    store_bind_blob(s, 2, attributes);
    store_bind_blob(s, 3, tags);
    err e = store_run(store->db, s);
    store_unlock(store->db);
    return e;
}

err sns_topic_delete(struct sns_store *store, struct sns_scope scope, str name)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(
        store->db, "DELETE FROM topics WHERE account = ?1 AND region = ?2 AND name = ?3");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, name);
    err e = store_run(store->db, s);
    store->topic_count -= e == OK ? store_changes(store->db) : 0;
    store_unlock(store->db);
    return e;
}

err sns_topic_list(struct sns_store *store, const struct sns_page *page, struct arena *arena,
                   struct sns_topic **out, isize *count_out)
{
    struct sns_topic *items = NULL;
    isize count = 0;
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT id, name, attributes, tags, created_us FROM topics"
                                   " WHERE account = ?1 AND region = ?2 AND id > ?3"
                                   " ORDER BY id LIMIT ?4");
    store_bind_text(s, 1, page->scope.account);
    store_bind_text(s, 2, page->scope.region);
    (void)sqlite3_bind_int64(s, 3, page->after);
    (void)sqlite3_bind_int(s, 4, page->max);
    err e = OK;
    while (store_row(store->db, s, &e)) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        topic_take(s, arena, &items[count++]);
    }
    store_unlock(store->db);
    *out = items;
    *count_out = count;
    return e;
}

/* --- subscriptions
 * -------------------------------------------------------------------------------------- */

#define SUBSCRIPTION_SELECT                                                               \
    "SELECT s.id, s.uuid, t.name, s.protocol, s.endpoint, s.token, s.flags, s.created_us" \
    " FROM subscriptions s JOIN topics t ON t.id = s.topic"                               \
    " WHERE t.account = ?1 AND t.region = ?2"

static void subscription_take(sqlite3_stmt *s, struct arena *arena, struct sns_subscription *out)
{
    int flags = sqlite3_column_int(s, 6);
    *out = (struct sns_subscription){
        .id = sqlite3_column_int64(s, 0),
        .uuid = arena_copy(arena, store_text(s, 1)),
        .topic = arena_copy(arena, store_text(s, 2)),
        .protocol = arena_copy(arena, store_text(s, 3)),
        .endpoint = arena_copy(arena, store_text(s, 4)),
        .token = arena_copy(arena, store_text(s, 5)),
        .is_confirmed = (flags & FLAG_CONFIRMED) != 0,
        .is_authenticated = (flags & FLAG_AUTHENTICATED) != 0,
        .needs_signed_unsubscribe = (flags & FLAG_SIGNED_UNSUBSCRIBE) != 0,
        .created_us = sqlite3_column_int64(s, 7),
    };
}

static err subscription_one(struct sns_store *store, sqlite3_stmt *s, struct arena *arena,
                            struct sns_subscription *out)
{
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, s, &e)) {
        subscription_take(s, arena, out);
        e = OK;
    }
    (void)sqlite3_reset(s);
    return e;
}

static err subscription_by_target(struct sns_store *store, struct sns_scope scope,
                                  const struct sns_target *target, struct arena *arena,
                                  struct sns_subscription *out)
{
    sqlite3_stmt *s = store_statement(store->db, SUBSCRIPTION_SELECT
                                      " AND t.name = ?3 AND s.protocol = ?4 AND s.endpoint = ?5");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, target->topic);
    store_bind_text(s, 4, target->protocol);
    store_bind_text(s, 5, target->endpoint);
    return subscription_one(store, s, arena, out);
}

static err subscription_insert(struct sns_store *store, i64 topic, const struct sns_target *target)
{
    char uuid[AWS_UUID_BYTES], token[2 * TOKEN_BYTES + 1];
    aws_uuid(store->os, uuid);
    hex_random(store->os, TOKEN_BYTES, token);
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT INTO subscriptions(topic, uuid, protocol, endpoint, token, flags,"
                   " created_us) VALUES(?1, ?2, ?3, ?4, ?5, 0, ?6)");
    (void)sqlite3_bind_int64(s, 1, topic);
    store_bind_text(s, 2, str_of(uuid));
    store_bind_text(s, 3, target->protocol);
    store_bind_text(s, 4, target->endpoint);
    store_bind_text(s, 5, str_of(token));
    (void)sqlite3_bind_int64(s, 6, os_wall_us(store->os));
    return store_run(store->db, s);
}

err sns_subscription_count(struct sns_store *store, struct sns_scope scope, str topic,
                           struct sns_subscription_counts *out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT COUNT(*), COALESCE(SUM(s.flags & 1), 0) FROM subscriptions s"
                   " JOIN topics t ON t.id = s.topic"
                   " WHERE t.account = ?1 AND t.region = ?2 AND t.name = ?3");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, topic);
    err e = ERR_IO;
    if (store_row(store->db, s, &e)) {
        out->confirmed = sqlite3_column_int64(s, 1);
        out->pending = sqlite3_column_int64(s, 0) - out->confirmed;
        e = OK;
    }
    (void)sqlite3_reset(s);
    store_unlock(store->db);
    return e;
}

/* Unconfirmed ones whose token is dead make room. */
static err expired_delete(struct sns_store *store, i64 topic)
{
    sqlite3_stmt *s = store_statement(
        store->db, "DELETE FROM subscriptions WHERE topic = ?1 AND flags = 0 AND created_us < ?2");
    (void)sqlite3_bind_int64(s, 1, topic);
    (void)sqlite3_bind_int64(s, 2, os_wall_us(store->os) - TOKEN_LIFE_US);
    return store_run(store->db, s);
}

static err room_check(struct sns_store *store, i64 topic)
{
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT COUNT(*) FROM subscriptions WHERE topic = ?1");
    (void)sqlite3_bind_int64(s, 1, topic);
    err e = ERR_IO;
    if (store_row(store->db, s, &e)) {
        e = sqlite3_column_int64(s, 0) < SNS_TOPIC_SUBSCRIPTIONS_MAX ? OK : ERR_LIMIT;
    }
    (void)sqlite3_reset(s);
    return e;
}

/* The token lives from now on. */
static err subscription_renew(struct sns_store *store, const struct sns_subscription *subscription)
{
    if (subscription->is_confirmed) {
        return OK;
    }
    sqlite3_stmt *s =
        store_statement(store->db, "UPDATE subscriptions SET created_us = ?2 WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, subscription->id);
    (void)sqlite3_bind_int64(s, 2, os_wall_us(store->os));
    return store_run(store->db, s);
}

static err subscribe(struct sns_store *store, struct sns_scope scope,
                     const struct sns_target *target, struct arena *arena,
                     struct sns_subscription *out)
{
    struct sns_topic topic = {0};
    TRY(topic_select(store, scope, target->topic, arena, &topic));
    err e = subscription_by_target(store, scope, target, arena, out);
    if (e != ERR_NOT_FOUND) {
        return e == OK ? subscription_renew(store, out) : e;
    }
    TRY(expired_delete(store, topic.id));
    TRY(room_check(store, topic.id));
    TRY(subscription_insert(store, topic.id, target));
    return subscription_by_target(store, scope, target, arena, out);
}

err sns_subscribe(struct sns_store *store, struct sns_scope scope, const struct sns_target *target,
                  struct arena *arena, struct sns_subscription *out)
{
    (void)store_lock(store->db);
    err e = subscribe(store, scope, target, arena, out);
    store_unlock(store->db);
    return e;
}

static err confirm_row(struct sns_store *store, const struct sns_confirmation *how,
                       struct sns_subscription *subscription)
{
    if (subscription->is_confirmed) {
        return OK;
    }
    if (os_wall_us(store->os) - subscription->created_us > TOKEN_LIFE_US) {
        return ERR_TIMEOUT;
    }
    int flags = FLAG_CONFIRMED | (how->is_authenticated ? FLAG_AUTHENTICATED : 0) |
                (how->needs_signed_unsubscribe ? FLAG_SIGNED_UNSUBSCRIBE : 0);
    sqlite3_stmt *s =
        store_statement(store->db, "UPDATE subscriptions SET flags = ?2 WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, subscription->id);
    (void)sqlite3_bind_int(s, 2, flags);
    TRY(store_run(store->db, s));
    subscription->is_confirmed = true;
    subscription->is_authenticated = how->is_authenticated;
    subscription->needs_signed_unsubscribe = how->needs_signed_unsubscribe;
    return OK;
}

err sns_confirm(struct sns_store *store, struct sns_scope scope, const struct sns_confirmation *how,
                struct arena *arena, struct sns_subscription *out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(store->db, SUBSCRIPTION_SELECT " AND t.name = ?3"
                                                                     " AND s.token = ?4");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, how->topic);
    store_bind_text(s, 4, how->token);
    err e = subscription_one(store, s, arena, out);
    if (e == OK) {
        e = confirm_row(store, how, out);
    }
    store_unlock(store->db);
    return e;
}

err sns_subscription_find(struct sns_store *store, struct sns_scope scope, str uuid,
                          struct arena *arena, struct sns_subscription *out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(store->db, SUBSCRIPTION_SELECT " AND s.uuid = ?3");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, uuid);
    err e = subscription_one(store, s, arena, out);
    store_unlock(store->db);
    return e;
}

err sns_unsubscribe(struct sns_store *store, struct sns_scope scope, str uuid)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "DELETE FROM subscriptions WHERE uuid = ?3 AND topic IN"
                                   " (SELECT id FROM topics WHERE account = ?1 AND region = ?2)");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, uuid);
    err e = store_run(store->db, s);
    store_unlock(store->db);
    return e;
}

err sns_subscription_list(struct sns_store *store, const struct sns_page *page, str topic,
                          struct arena *arena, struct sns_subscription **out, isize *count_out)
{
    struct sns_subscription *items = NULL;
    isize count = 0;
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, SUBSCRIPTION_SELECT " AND (?3 = '' OR t.name = ?3)"
                                                       " AND s.id > ?4 ORDER BY s.id LIMIT ?5");
    store_bind_text(s, 1, page->scope.account);
    store_bind_text(s, 2, page->scope.region);
    store_bind_text(s, 3, topic);
    (void)sqlite3_bind_int64(s, 4, page->after);
    (void)sqlite3_bind_int(s, 5, page->max);
    err e = OK;
    while (store_row(store->db, s, &e)) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        subscription_take(s, arena, &items[count++]);
    }
    store_unlock(store->db);
    *out = items;
    *count_out = count;
    return e;
}
