/* aws/sns/sns_inbox.c: mails: the inbox and what is still to be sent. */
#include "aws/sns/sns_store_int.h"

#define MAIL_COLUMNS                                                                            \
    "id, at_us, account, region, topic_arn, protocol, sender, recipient, subject, body, state," \
    " attempts, next_us, error"

static void mail_take(sqlite3_stmt *s, struct arena *arena, struct sns_mail *out)
{
    *out = (struct sns_mail){
        .id = sqlite3_column_int64(s, 0),
        .at_us = sqlite3_column_int64(s, 1),
        .account = arena_copy(arena, store_text(s, 2)),
        .region = arena_copy(arena, store_text(s, 3)),
        .topic_arn = arena_copy(arena, store_text(s, 4)),
        .protocol = arena_copy(arena, store_text(s, 5)),
        .sender = arena_copy(arena, store_text(s, 6)),
        .recipient = arena_copy(arena, store_text(s, 7)),
        .subject = arena_copy(arena, store_text(s, 8)),
        .body = arena_copy(arena, store_text(s, 9)),
        .state = (enum sns_mail_state)sqlite3_column_int(s, 10),
        .attempts = sqlite3_column_int(s, 11),
        .next_us = sqlite3_column_int64(s, 12),
        .error = arena_copy(arena, store_text(s, 13)),
    };
}

static err mail_insert(struct sns_store *store, struct sns_mail *mail)
{
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT INTO mails(at_us, account, region, topic_arn, protocol, sender,"
                   " recipient, subject, body, raw, state, attempts, next_us, error)"
                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?1, '') RETURNING id");
    (void)sqlite3_bind_int64(s, 1, mail->at_us);
    store_bind_text(s, 2, mail->account);
    store_bind_text(s, 3, mail->region);
    store_bind_text(s, 4, mail->topic_arn);
    store_bind_text(s, 5, mail->protocol);
    store_bind_text(s, 6, mail->sender);
    store_bind_text(s, 7, mail->recipient);
    store_bind_text(s, 8, mail->subject);
    store_bind_text(s, 9, mail->body);
    store_bind_blob(s, 10, mail->raw);
    (void)sqlite3_bind_int(s, 11, (int)mail->state);
    err e = ERR_IO;
    if (store_row(store->db, s, &e)) {
        mail->id = sqlite3_column_int64(s, 0);
        e = OK;
    }
    (void)sqlite3_reset(s);
    return e;
}

/* Keeps the newest SNS_INBOX_MAX; what is still to be sent stays. By the index: rows are large. */
static err inbox_trim(struct sns_store *store)
{
    sqlite3_stmt *s = store_statement(
        store->db, "DELETE FROM mails INDEXED BY mails_by_state WHERE state IN (0, 2, 3)"
                   " AND id <= (SELECT MAX(id) FROM mails) - ?1");
    (void)sqlite3_bind_int64(s, 1, SNS_INBOX_MAX);
    return store_run(store->db, s);
}

static err pending_count(struct sns_store *store, i64 *out)
{
    sqlite3_stmt *s = store_statement(store->db, "SELECT COUNT(*) FROM mails WHERE state = 1");
    err e = ERR_IO;
    if (store_row(store->db, s, &e)) {
        *out = sqlite3_column_int64(s, 0);
        e = OK;
    }
    (void)sqlite3_reset(s);
    return e;
}

static err mails_insert(struct sns_store *store, const struct sns_mail_source *source)
{
    i64 pending = 0;
    TRY(pending_count(store, &pending));
    struct sns_mail mail = {0};
    while (source->next(source->ctx, &mail)) {
        bool is_pending = mail.state == SNS_MAIL_PENDING;
        if (is_pending && pending++ >= SNS_PENDING_MAX) {
            return ERR_LIMIT;
        }
        TRY(mail_insert(store, &mail));
    }
    return inbox_trim(store);
}

err sns_mail_add(struct sns_store *store, const struct sns_mail_source *source)
{
    (void)store_lock(store->db);
    err e = store_begin(store->db);
    if (e == OK) {
        e = mails_insert(store, source);
        if (e == OK) {
            e = store_commit(store->db);
        } else {
            store_rollback(store->db);
        }
    }
    store_unlock(store->db);
    return e;
}

err sns_mail_list(struct sns_store *store, const struct sns_mail_page *page, struct arena *arena,
                  struct sns_mail **out, isize *count_out)
{
    struct sns_mail *items = NULL;
    isize count = 0;
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT " MAIL_COLUMNS " FROM mails WHERE (?1 = '' OR region = ?1)"
                   " AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3");
    store_bind_text(s, 1, page->region);
    (void)sqlite3_bind_int64(s, 2, page->before);
    (void)sqlite3_bind_int(s, 3, page->max);
    err e = OK;
    while (store_row(store->db, s, &e)) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        mail_take(s, arena, &items[count++]);
    }
    store_unlock(store->db);
    *out = items;
    *count_out = count;
    return e;
}

err sns_mail_find(struct sns_store *store, i64 id, struct arena *arena, struct sns_mail *out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT " MAIL_COLUMNS ", raw FROM mails WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, id);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, s, &e)) {
        mail_take(s, arena, out);
        out->raw = arena_copy(arena, store_blob(s, 14));
        e = OK;
    }
    (void)sqlite3_reset(s);
    store_unlock(store->db);
    return e;
}

err sns_mail_due(struct sns_store *store, i64 now_us, struct arena *arena, struct sns_mail *out,
                 i64 *next_us_out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT " MAIL_COLUMNS ", raw FROM mails INDEXED BY mails_due"
                                   " WHERE state = 1 ORDER BY next_us, id LIMIT 1");
    err e = ERR_END;
    *next_us_out = INT64_MAX;
    if (store_row(store->db, s, &e)) {
        *next_us_out = sqlite3_column_int64(s, 12);
        e = ERR_END;
        if (*next_us_out <= now_us) {
            mail_take(s, arena, out);
            out->raw = arena_copy(arena, store_blob(s, 14));
            e = OK;
        }
    }
    (void)sqlite3_reset(s);
    store_unlock(store->db);
    return e;
}

err sns_mail_done(struct sns_store *store, i64 id, enum sns_mail_state state, i64 next_us,
                  str error)
{
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "UPDATE mails SET state = ?2, next_us = ?3, error = ?4,"
                                   " attempts = attempts + 1 WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, id);
    (void)sqlite3_bind_int(s, 2, (int)state);
    (void)sqlite3_bind_int64(s, 3, next_us);
    store_bind_text(s, 4, error);
    err e = store_run(store->db, s);
    store_unlock(store->db);
    return e;
}

err sns_mail_count(struct sns_store *store, struct sns_mail_counts *out)
{
    *out = (struct sns_mail_counts){0};
    (void)store_lock(store->db);
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT state, COUNT(*) FROM mails GROUP BY state");
    err e = OK;
    while (store_row(store->db, s, &e)) {
        u64 count = (u64)sqlite3_column_int64(s, 1);
        int state = sqlite3_column_int(s, 0);
        out->total += count;
        out->pending += state == SNS_MAIL_PENDING ? count : 0;
        out->sent += state == SNS_MAIL_SENT ? count : 0;
        out->failed += state == SNS_MAIL_FAILED ? count : 0;
    }
    store_unlock(store->db);
    return e;
}
