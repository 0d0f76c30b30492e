/* net/answer.c: the answer of an exchange: at once, as it is written, or in pieces. */
#include "net/http_int.h"

/* Nothing follows: what the pieces came from goes, and the handler's reference. */
void http__exchange_pieces_end(struct http_exchange *x)
{
    struct http_pieces pieces = x->pieces;
    x->pieces.next = NULL;
    http__lock(x);
    x->is_ended = true;
    http__unlock(x);
    pieces.over(pieces.ctx);
    http__exchange_unref(x);
}

static void pump_posted(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    http__lock(x);
    x->is_pump_posted = false;
    http__unlock(x);
    if (x->conn != NULL) {
        x->transport->pump(x);
    }
}

/* With the lock held: true when the caller must pump (LOOP), after unlocking. */
static bool pump_needed(struct http_exchange *x)
{
    bool is_needed = !x->is_worker || !x->is_pump_posted;
    x->is_pump_posted = x->is_pump_posted || x->is_worker;
    return is_needed;
}

static void pump(struct http_exchange *x, bool is_worker)
{
    if (is_worker) {
        http_post(x, pump_posted, NULL);
    } else if (x->conn != NULL) {
        x->transport->pump(x);
    }
}

static void out_append(struct http_exchange *x, struct http_chunk *chunk)
{
    if (x->out_last == NULL) {
        x->out_first = chunk;
    } else {
        x->out_last->next = chunk;
    }
    x->out_last = chunk;
    x->out_bytes += chunk->bytes;
}

/* With the lock held. */
static void note_answer(struct http_exchange *x, int status)
{
    struct http_server *server = x->loop->server;
    u64 took_ns = os_mono_ns(server->os) - x->received_ns;
    metric_observe_ns(&server->times, took_ns);
    if (x->answered_fn != NULL) {
        x->answered_fn(status, took_ns, x->answered_ctx);
    }
}

/* Within the call that gives it: by HTTP/1.1, on the loop. */
static bool is_head_written_at_once(const struct http_exchange *x)
{
    return !x->is_http2 && !x->is_shared;
}

static const struct http_field *fields_copy(struct http_exchange *x,
                                            const struct http_field *fields, isize count)
{
    struct http_field *copy = ARENA_ARRAY(&x->arena, struct http_field, count);
    for (isize i = 0; i < count; i++) {
        copy[i] = (struct http_field){arena_copy(&x->arena, fields[i].name),
                                      arena_copy(&x->arena, fields[i].value)};
    }
    return copy;
}

static void head_set(struct http_exchange *x, int status, const struct http_field *fields,
                     isize count, i64 length)
{
    CHECK(!x->is_started);
    x->is_started = true;
    note_answer(x, status);
    x->status = status;
    x->answer_length = length;
    x->answer_fields = is_head_written_at_once(x) ? fields : fields_copy(x, fields, count);
    x->answer_field_count = count;
}

/* HEAD, 204 and 304 have no body; their length is what a GET would have, or what a field says. */
static bool has_no_body(const struct http_exchange *x, int status)
{
    return str_eq(x->method, STR("HEAD")) || status == 204 || status == 304;
}

static i64 length_in_fields(const struct http_field *fields, isize count, i64 otherwise)
{
    for (isize i = 0; i < count; i++) {
        i64 length;
        bool is_length = str_eq_nocase(fields[i].name, STR("content-length")) &&
                         str_to_i64(fields[i].value, &length) == OK;
        if (is_length) {
            return length;
        }
    }
    return otherwise;
}

isize http_answers_room(const struct http_exchange *x)
{
    const struct budget *answers = x->loop->server->answers;
    return answers->bytes_max - budget_bytes(answers);
}

bool http_answers_hold(const struct http_exchange *x, i32 times)
{
    const struct budget *answers = x->loop->server->answers;
    return budget_bytes(answers) / times >= answers->bytes_max;
}

bool http_answer_reserve(struct http_exchange *x, isize bytes)
{
    CHECK(x->answer_reserved == 0);
    x->answer_reserved = budget_take(x->loop->server->answers, bytes) ? bytes : 0;
    return x->answer_reserved > 0;
}

bool http_pieces_reserve(struct http_exchange *x)
{
    return http_answer_reserve(x, HTTP_PIECE_BYTES);
}

void http_answer_anyway(struct http_exchange *x)
{
    x->is_answered_anyway = true;
}

void http_on_busy(struct http_exchange *x, http_busy_fn fn, void *ctx)
{
    x->busy_fn = fn;
    x->busy_ctx = ctx;
}

void http__exchange_refuse(struct http_exchange *x, const char *text)
{
    static const struct http_field retry = {{(const u8 *)"Retry-After", 11}, {(const u8 *)"1", 1}};
    http_busy_fn fn = x->busy_fn;
    x->busy_fn = NULL;
    metric_add(&x->loop->server->stats.busy, 1);
    if (fn != NULL) {
        fn(x, text, x->busy_ctx);
    } else {
        http_respond(x, 503, &retry, 1, arena_printf(&x->arena, "%s\n", text));
    }
}

/* Counts what a whole answer holds until its client has taken it; false when that is too much. */
static bool hold(struct http_exchange *x, struct http_chunk *chunk)
{
    struct budget *answers = x->loop->server->answers;
    chunk->charge = x->answer_reserved;
    if (chunk->charge >= chunk->bytes) {
        chunk->budget = answers;
        x->answer_reserved = 0;
        return true;
    }
    if (x->is_answered_anyway || chunk->bytes <= HTTP_PIECE_BYTES_MIN) {
        budget_charge(answers, chunk->bytes);
    } else if (!budget_take(answers, chunk->bytes)) {
        return false;
    }
    chunk->budget = answers;
    chunk->charge = chunk->bytes;
    return true;
}

static void finish(struct http_exchange *x, int status, const struct http_field *fields,
                   isize count, struct http_chunk *chunk)
{
    bool is_bare = has_no_body(x, status);
    if (chunk->bytes > HTTP_HELD_BYTES_MIN && !is_bare && !hold(x, chunk)) {
        http__chunk_free(chunk);
        http__exchange_refuse(x, HTTP_ANSWERS_HELD_TEXT);
        return;
    }
    http__lock(x);
    i64 length = chunk->bytes;
    head_set(x, status, fields, count, is_bare ? length_in_fields(fields, count, length) : length);
    if (!is_bare && chunk->bytes > 0 && !x->is_gone) {
        out_append(x, chunk);
        chunk = NULL;
    }
    x->is_ended = true;
    bool is_worker = x->is_worker;
    bool must_pump = pump_needed(x);
    http__unlock(x);
    if (chunk != NULL) {
        http__chunk_free(chunk);
    }
    if (must_pump) {
        pump(x, is_worker);
    }
    http__exchange_unref(x); /* The handler's. */
}

void http_respond(struct http_exchange *x, int status, const struct http_field *fields,
                  isize field_count, str body)
{
    finish(x, status, fields, field_count, http__chunk_new(body.data, body.len));
}

void http_respond_buf(struct http_exchange *x, int status, const struct http_field *fields,
                      isize field_count, struct buf *body)
{
    finish(x, status, fields, field_count, http__chunk_of_buf(body));
}

void http_respond_start(struct http_exchange *x, int status, const struct http_field *fields,
                        isize field_count, i64 content_length)
{
    http__lock(x);
    head_set(x, status, fields, field_count, content_length);
    bool is_worker = x->is_worker;
    bool must_pump = pump_needed(x);
    http__unlock(x);
    if (must_pump) {
        pump(x, is_worker);
    }
}

void http_respond_pieces(struct http_exchange *x, int status, const struct http_field *fields,
                         isize field_count, const struct http_pieces *pieces)
{
    CHECK(pieces->length > 0);
    CHECK(!has_no_body(x, status));
    CHECK(!x->is_worker);
    http__lock(x);
    head_set(x, status, fields, field_count, pieces->length);
    http__unlock(x);
    x->pieces = *pieces;
    if (x->conn == NULL) {
        http__exchange_pieces_end(x);
    } else {
        x->transport->pump(x);
    }
}

err http_respond_write(struct http_exchange *x, str data)
{
    http__lock(x);
    CHECK(x->is_started && !x->is_ended);
    while (x->is_worker && x->out_bytes > HTTP_UNSENT_MAX && !x->is_gone) {
        os_cond_wait(&x->changed, &x->lock);
    }
    if (x->is_gone || x->is_aborted) {
        http__unlock(x);
        return ERR_CLOSED;
    }
    bool is_worker = x->is_worker, must_pump = false;
    if (data.len > 0 && !has_no_body(x, x->status)) {
        out_append(x, http__chunk_new(data.data, data.len));
        must_pump = pump_needed(x);
    }
    http__unlock(x);
    if (must_pump) {
        pump(x, is_worker);
    }
    return OK;
}

static void end(struct http_exchange *x, bool is_aborted)
{
    http__lock(x);
    CHECK(!x->is_ended && !x->is_aborted);
    x->is_ended = !is_aborted;
    x->is_aborted = is_aborted;
    bool is_worker = x->is_worker;
    bool must_pump = pump_needed(x);
    http__unlock(x);
    if (must_pump) {
        pump(x, is_worker);
    }
    http__exchange_unref(x);
}

void http_respond_end(struct http_exchange *x)
{
    CHECK(x->is_started);
    end(x, false);
}

void http_abort(struct http_exchange *x)
{
    end(x, true);
}

isize http_unsent(const struct http_exchange *x)
{
    struct http_exchange *writable = (struct http_exchange *)(uintptr_t)x;
    http__lock(writable);
    isize bytes = x->out_bytes;
    http__unlock(writable);
    return bytes;
}

void http_on_drained(struct http_exchange *x, isize below, http_fn fn, void *ctx)
{
    http__lock(x);
    bool is_drained = x->out_bytes <= below;
    x->drained_fn = is_drained ? NULL : fn;
    x->drained_ctx = ctx;
    x->drained_below = below;
    http__unlock(x);
    if (is_drained) {
        http_post(x, fn, ctx);
    }
}

static void next_turn(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    x->is_turn_posted = false;
    x->pieces_taken = 0;
    if (x->conn != NULL) {
        x->transport->pump(x);
    }
}

/* Larger for who takes them at once, while answers may hold as much. */
static isize piece_room(const struct http_exchange *x)
{
    bool is_large = x->keeps_up && http_answers_room(x) >= HTTP_PIECE_BYTES_MAX;
    return is_large ? HTTP_PIECE_BYTES_MAX : HTTP_PIECE_BYTES;
}

/* The next piece; NULL when others have their turn first. */
static struct http_chunk *piece_make(struct http_exchange *x)
{
    if (x->pieces_taken == HTTP_PIECES_AT_ONCE) {
        if (!x->is_turn_posted) {
            x->is_turn_posted = true;
            http_post(x, next_turn, NULL);
        }
        return NULL;
    }
    isize room = piece_room(x);
    struct http_chunk *chunk = http__chunk_piece(x->loop, room);
    chunk->bytes = x->pieces.next(x->pieces.ctx, chunk->data, room);
    /* What was announced is what is sent: else the client would take the next answer's head for it.
     */
    CHECK(chunk->bytes > 0);
    CHECK(chunk->bytes <= room);
    CHECK(chunk->bytes <= x->pieces.length);
    x->pieces.length -= chunk->bytes;
    chunk->budget = x->loop->server->answers;
    chunk->charge = room;
    if (x->answer_reserved == room) {
        x->answer_reserved = 0;
    } else {
        budget_charge(chunk->budget, chunk->charge);
    }
    x->pieces_taken++;
    http__lock(x);
    x->out_bytes += chunk->bytes;
    http__unlock(x);
    if (x->pieces.length == 0) {
        http__exchange_pieces_end(x);
    }
    return chunk;
}

struct http_chunk *http__exchange_take(struct http_exchange *x)
{
    if (x->pieces.next != NULL) {
        return piece_make(x);
    }
    http__lock(x);
    struct http_chunk *chunk = x->out_first;
    if (chunk != NULL) {
        x->out_first = chunk->next;
        x->out_last = chunk->next == NULL ? NULL : x->out_last;
        chunk->next = NULL;
    }
    http__unlock(x);
    return chunk;
}

bool http__exchange_is_done(struct http_exchange *x, bool *is_aborted_out)
{
    http__lock(x);
    bool is_done = (x->is_ended && x->out_first == NULL) || x->is_aborted;
    *is_aborted_out = x->is_aborted;
    http__unlock(x);
    return is_done;
}

void http__exchange_sent(struct http_exchange *x, isize bytes)
{
    http__lock(x);
    bool was_full = x->out_bytes > HTTP_UNSENT_MAX;
    x->out_bytes -= bytes;
    if (was_full && x->out_bytes <= HTTP_UNSENT_MAX) {
        os_cond_broadcast(&x->changed);
    }
    http_fn drained_fn = x->out_bytes <= x->drained_below ? x->drained_fn : NULL;
    x->drained_fn = drained_fn == NULL ? x->drained_fn : NULL;
    http__unlock(x);
    if (drained_fn != NULL) {
        http_post(x, drained_fn, x->drained_ctx); /* Not from within the transport. */
    }
}
