/* console/api_letters.c: dead letters: list, one, put back. */
#include "console/console_int.h"

#include "codec/base64.h"
#include "engine/letters.h"

enum { LIMIT_DEFAULT = 100, IDS_MAX = 1000 };

static void put_letter(struct buf *out, const struct engine_letter *letter)
{
    const struct {
        const char *name;
        str value;
    } texts[] = {{"region", letter->region},
                 {"job", letter->job},
                 {"table", letter->table},
                 {"stream", letter->stream},
                 {"shard_id", letter->shard},
                 {"sequence_number", letter->sequence},
                 {"partition_key", letter->partition_key},
                 {"field", letter->field},
                 {"reason", letter->reason}};
    buf_printf(out, "{\"id\":\"%llu\",\"at_ms\":%lld", (unsigned long long)letter->id,
               (long long)letter->at_ms);
    for (int i = 0; i < COUNT_OF(texts); i++) {
        buf_append_byte(out, ',');
        console__put(out, texts[i].name, texts[i].value);
    }
    if (letter->subsequence >= 0) {
        buf_printf(out, ",\"sub_sequence\":%lld", (long long)letter->subsequence);
    }
    buf_printf(out, ",\"offset\":%lld,\"redriven\":%s,", (long long)letter->offset,
               letter->is_redriven ? "true" : "false");
    if (str_is_utf8(letter->data)) {
        console__put(out, "data", letter->data);
    } else {
        buf_append(out, STR("\"data_base64\":\""));
        base64_append(out, letter->data);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
}

static void respond_letters(struct http_exchange *x, const struct engine_letter *letters,
                            isize count, bool has_more)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"dead_letters\":["));
    for (isize i = 0; i < count; i++) {
        buf_append(&body, i > 0 ? STR(",") : STR_EMPTY);
        put_letter(&body, &letters[i]);
    }
    buf_printf(&body, "],\"more\":%s}", has_more ? "true" : "false");
    console__respond_json(x, 200, &body);
}

static err query_read(struct http_exchange *x, struct engine_letter_query *out, struct diag *diag)
{
    i64 limit = LIMIT_DEFAULT, after = 0;
    TRY(console__number_param(x, "limit", ENGINE_LETTERS_MAX, &limit, diag));
    TRY(console__number_param(x, "after", INT64_MAX, &after, diag));
    *out = (struct engine_letter_query){
        .account = console__param(x, "account", STR(CONSOLE_ACCOUNT)),
        .region = console__param(x, "region", STR_EMPTY),
        .job = console__param(x, "job", STR_EMPTY),
        .after = (u64)after,
        .limit = (isize)limit,
    };
    return OK;
}

/* GET deadletters and deadletters/ID */
static void read_letters(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    struct engine_letter_query query;
    struct engine_letter *letters;
    isize count = 0;
    bool has_more = false;
    str id;
    diag_init(&diag);
    bool is_one = console__path_middle(x, "/_leat/api/deadletters/", "", &id);
    err e = query_read(x, &query, &diag);
    if (e == OK && is_one && (str_to_u64(id, &query.id) != OK || query.id == 0)) {
        e = ERR_NOT_FOUND;
    }
    if (e == OK) {
        e = engine_letters_read(console->env.engine, &query, http_arena(x), &letters, &count,
                                &has_more);
    }
    if (e == OK && is_one && count == 0) {
        e = ERR_NOT_FOUND;
    }
    if (e == OK) {
        respond_letters(x, letters, count, has_more);
        return;
    }
    if (is_one) {
        (void)diag_set(&diag, e, "API017", "there is no dead letter \"" STR_FMT "\"", STR_ARG(id));
        diag_hint(&diag, "leat deadletter list shows them");
    }
    (void)diag_set(&diag, e, "API017", "dead letters cannot be read: %s", err_text(e));
    console_respond_error(x, e, &diag);
}

void console__handle_letters(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, read_letters, ctx);
}

/* --- putting back
 * --------------------------------------------------------------------------------------- */

struct redrive {
    struct console *console;
    struct arena *arena;
    str account;
    i64 redriven, skipped, failed;
    struct buf failures;
};

static void fail(struct redrive *r, str id, str reason, bool is_absent)
{
    buf_append(&r->failures, r->failed > 0 ? STR(",{") : STR("{"));
    console__put(&r->failures, "id", id);
    buf_append_byte(&r->failures, ',');
    console__put(&r->failures, "reason", reason);
    buf_printf(&r->failures, ",\"absent\":%s", is_absent ? "true" : "false");
    buf_append_byte(&r->failures, '}');
    r->failed++;
}

static void put_back(struct redrive *r, const struct engine_letter *letters, isize count)
{
    struct engine_redriven *results = ARENA_ARRAY(r->arena, struct engine_redriven, MAX(count, 1));
    engine_letters_redrive(r->console->env.engine, r->account, letters, count, r->arena, results);
    for (isize i = 0; i < count; i++) {
        r->redriven += results[i].result == ENGINE_REDRIVEN;
        r->skipped += results[i].result == ENGINE_REDRIVE_SKIPPED;
        if (results[i].result == ENGINE_REDRIVE_FAILED) {
            fail(r, arena_printf(r->arena, "%llu", (unsigned long long)letters[i].id),
                 results[i].reason, false);
        }
    }
}

static err by_id(struct redrive *r, str id)
{
    struct engine_letter_query query = {.account = r->account, .limit = 1};
    struct engine_letter *letters;
    isize count = 0;
    bool has_more;
    if (str_to_u64(id, &query.id) == OK && query.id > 0) {
        TRY(engine_letters_read(r->console->env.engine, &query, r->arena, &letters, &count,
                                &has_more));
    }
    if (count == 0) {
        fail(r, id, STR("there is no such dead letter"), true);
    } else {
        put_back(r, letters, 1);
    }
    return OK;
}

/* Those that stand there now; what a job makes of them again is for the next time. */
static err all_of(struct redrive *r, str job, str region)
{
    u64 after = 0;
    bool has_more = true;
    i64 started_ms = os_wall_us(r->console->env.os) / 1000;
    while (has_more) {
        struct arena page = {0};
        struct engine_letter_query query = {.account = r->account,
                                            .region = region,
                                            .job = job,
                                            .after = after,
                                            .limit = ENGINE_LETTERS_MAX};
        struct engine_letter *letters = NULL;
        isize count = 0;
        err e =
            engine_letters_read(r->console->env.engine, &query, &page, &letters, &count, &has_more);
        isize old = 0;
        while (e == OK && old < count && letters[old].at_ms <= started_ms) {
            after = letters[old++].id;
        }
        put_back(r, letters, old);
        has_more = has_more && old > 0 && old == count;
        arena_deinit(&page);
        TRY(e);
    }
    return OK;
}

static err redrive_all(struct redrive *r, const struct json_value *body, struct diag *diag)
{
    const struct json_value *ids = json_get(body, STR("ids"));
    bool is_all = json_get_bool(body, STR("all"), false);
    r->account = console__text_or(body, "account", STR(CONSOLE_ACCOUNT));
    if (is_all == (ids != NULL) || (ids != NULL && json_kind(ids) != JSON_ARRAY) ||
        json_count(ids) > IDS_MAX) {
        return diag_set(diag, ERR_INVALID, "API017",
                        "give \"ids\", at most %d, or \"all\": true with or without \"job\"",
                        IDS_MAX);
    }
    if (is_all) {
        return all_of(r, json_get_text(body, STR("job")), json_get_text(body, STR("region")));
    }
    for (const struct json_value *id = json_first(ids); id != NULL; id = json_next(id)) {
        TRY(by_id(r, json_text(id)));
    }
    return OK;
}

static void redrive_letters(struct http_exchange *x, void *ctx)
{
    struct redrive r = {.console = ctx, .arena = http_arena(x)};
    struct diag diag;
    const struct json_value *body = NULL;
    diag_init(&diag);
    err e = console__body_json(x, &body, &diag);
    if (e == OK) {
        e = redrive_all(&r, body, &diag);
    }
    if (e != OK) {
        (void)diag_set(&diag, e, "API017", "dead letters cannot be put back: %s", err_text(e));
        console_respond_error(x, e, &diag);
    } else {
        struct buf answer = {0};
        buf_printf(&answer, "{\"redriven\":%lld,\"skipped\":%lld,\"failed\":[" STR_FMT "]}",
                   (long long)r.redriven, (long long)r.skipped, STR_ARG(buf_str(&r.failures)));
        console__respond_json(x, 200, &answer);
    }
    buf_deinit(&r.failures);
}

void console__handle_redrive(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, redrive_letters, ctx);
}
