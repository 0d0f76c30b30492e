/* feed/replay.c: the list of replays: opening, submitting, stopping, pushing. */
#include "feed/replay.h"

#include "base/hash.h"
#include "feed/replay_int.h"

#include <stdio.h>

struct replay *replay__new(struct replays *replays, u64 number)
{
    struct replay *replay = NEW(struct replay);
    replay->replays = replays;
    replay->number = number;
    (void)snprintf(replay->id, sizeof replay->id, "replay-%llu", (unsigned long long)number);
    os_mutex_init(&replay->lock);
    os_cond_init(&replay->changed);
    replay->durable.line = 1;
    struct replay **at = &replays->first;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = replay;
    return replay;
}

static void replay_free(struct replay *replay)
{
    buf_deinit(&replay->pushed);
    os_cond_deinit(&replay->changed);
    os_mutex_deinit(&replay->lock);
    arena_deinit(&replay->arena);
    mem_free(replay);
}

/* --- threads
 * ---------------------------------------------------------------------------------------------
 */

/* What was pushed and is not durable is gone: the next piece begins where the position stands. */
static void push_rewind(struct replay *replay)
{
    buf_reset(&replay->pushed);
    replay->push_pass = replay->durable.pass;
    replay->push_offset = replay->durable.offset;
    replay->is_pass_pushed = false;
}

static void thread_start(struct replay *replay)
{
    os_mutex_lock(&replay->lock);
    push_rewind(replay);
    __atomic_store_n(&replay->is_stopping, false, __ATOMIC_RELAXED);
    replay->has_thread = true;
    os_mutex_unlock(&replay->lock);
    os_thread_start(&replay->thread, "leat-replay", replay__main, replay);
}

static void thread_join(struct replay *replay)
{
    if (!replay->has_thread) {
        return;
    }
    os_mutex_lock(&replay->lock);
    __atomic_store_n(&replay->is_stopping, true, __ATOMIC_RELAXED);
    os_cond_broadcast(&replay->changed);
    os_mutex_unlock(&replay->lock);
    os_thread_join(&replay->thread);
    replay->has_thread = false;
}

/* --- open and close
 * --------------------------------------------------------------------------------------- */

static void on_publish(void *ctx, const struct log_frame *frame)
{
    struct replays *replays = ctx;
    struct log_run run;
    if (log_frame_find(frame, (struct log_channel){0, LOG_CONTROL_FEED}, &run)) {
        replay__live_note(replays->live, run);
    }
}

static bool record_is_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)channel;
    (void)arrival_ms;
    const struct replays *replays = ctx;
    return replay__live_is(replays->live, last_no);
}

err replays_open(const struct replays_env *env, struct replays **out, struct diag *diag)
{
    struct replays *replays = NEW(struct replays);
    replays->os = env->os;
    replays->streams = env->streams;
    replays->log = streams_log(env->streams);
    replays->access_key = arena_copy(&replays->arena, env->access_key);
    replays->secret = arena_copy(&replays->arena, env->secret);
    replays->next_number = 1;
    os_mutex_init(&replays->lock);
    replays->live = replay__live_new();
    err e = replay__log_read(replays, diag);
    /* Nobody writes between reading and watching. */
    replays->watch = log_watch(replays->log, on_publish, replays);
    if (e != OK) {
        replays_close(replays);
        return e;
    }
    streams_set_control_live(replays->streams, LOG_CONTROL_FEED, record_is_live, replays);
    *out = replays;
    return OK;
}

void replays_start(struct replays *replays, const char *endpoint)
{
    os_mutex_lock(&replays->lock);
    replays->endpoint = arena_cstr(&replays->arena, str_of(endpoint));
    for (struct replay *r = replays->first; r != NULL; r = r->next) {
        if (r->durable.state == REPLAY_RUNNING) {
            thread_start(r);
        }
    }
    os_mutex_unlock(&replays->lock);
}

void replays_stop(struct replays *replays)
{
    os_mutex_lock(&replays->lock);
    replays->is_closing = true;
    for (struct replay *r = replays->first; r != NULL; r = r->next) {
        thread_join(r);
    }
    os_mutex_unlock(&replays->lock);
}

void replays_close(struct replays *replays)
{
    if (replays == NULL) {
        return;
    }
    replays_stop(replays);
    streams_set_control_live(replays->streams, LOG_CONTROL_FEED, NULL, NULL);
    log_unwatch(replays->log, replays->watch);
    replay__live_free(replays->live);
    while (replays->first != NULL) {
        struct replay *next = replays->first->next;
        replay_free(replays->first);
        replays->first = next;
    }
    os_mutex_deinit(&replays->lock);
    arena_deinit(&replays->arena);
    mem_free(replays);
}

/* --- status
 * ----------------------------------------------------------------------------------------------
 */

static void status_of(struct replay *r, struct arena *arena, struct replay_status *out)
{
    *out = (struct replay_status){
        .source = r->source,
        .region = arena_copy(arena, r->region),
        .stream = arena_copy(arena, r->stream_name),
        .bytes_total = r->bytes_total,
        .passes = r->passes,
        .rows_max = r->rows_max,
    };
    str_copy_cstr(str_of(r->id), out->id, REPLAY_ID_BYTES);
    out->from = r->source == REPLAY_PUSH ? arena_copy(arena, r->name)
                                         : arena_printf(arena, "s3://" STR_FMT "/" STR_FMT,
                                                        STR_ARG(r->bucket), STR_ARG(r->key));
    os_mutex_lock(&r->lock);
    out->state = r->durable.state;
    out->reason = arena_copy(arena, str_of(r->reason));
    out->is_stalled = r->is_stalled;
    out->pass = r->durable.pass;
    out->offset = r->durable.offset;
    out->rows = r->durable.rows;
    out->rows_bad = r->durable.rows_bad;
    out->records = r->durable.records;
    out->bytes_out = r->durable.bytes_out;
    out->rate = r->rate;
    out->bytes_fetched = r->bytes_fetched;
    out->push_pass = r->push_pass;
    out->push_offset = r->push_offset;
    bool is_open =
        r->durable.state == REPLAY_RUNNING && r->push_pass < r->passes && !r->is_pass_pushed;
    out->push_room = is_open ? (u64)(REPLAY_BUFFER_BYTES - r->pushed.len) : 0;
    os_mutex_unlock(&r->lock);
}

static struct replay *find(struct replays *replays, str id)
{
    struct replay *r = replays->first;
    while (r != NULL && !str_eq(str_of(r->id), id)) {
        r = r->next;
    }
    return r;
}

err replay_get(struct replays *replays, str id, struct arena *arena, struct replay_status *out)
{
    os_mutex_lock(&replays->lock);
    struct replay *replay = find(replays, id);
    if (replay != NULL) {
        status_of(replay, arena, out);
    }
    os_mutex_unlock(&replays->lock);
    return replay == NULL ? ERR_NOT_FOUND : OK;
}

void replays_list(struct replays *replays, struct arena *arena, struct replay_status **out,
                  isize *count_out)
{
    os_mutex_lock(&replays->lock);
    *out = NULL;
    *count_out = 0;
    for (struct replay *r = replays->first; r != NULL; r = r->next) {
        *out = arena_grow(arena, *out, *count_out, (isize)sizeof **out);
        status_of(r, arena, &(*out)[(*count_out)++]);
    }
    os_mutex_unlock(&replays->lock);
}

/* --- submitting
 * ------------------------------------------------------------------------------------------ */

static u64 mix_text(u64 seed, str text)
{
    seed = hash64(&text.len, (isize)sizeof text.len, seed);
    return hash64(text.data, text.len, seed);
}

/* Equal for the same source, target and form; the rate may differ. */
static u64 fingerprint_of(const struct replay_spec *spec, u32 stream_number, str etag,
                          u64 bytes_total)
{
    u64 numbers[] = {spec->source,        stream_number,       (u64)spec->form.indent,
                     spec->form.is_typed, spec->is_aggregated, MAX(spec->passes, 1),
                     spec->rows_max,      bytes_total};
    u64 hash = hash64(numbers, (isize)sizeof numbers, 1);
    str texts[] = {spec->account, spec->bucket, spec->key, spec->name, spec->partition_key, etag};
    for (isize i = 0; i < COUNT_OF(texts); i++) {
        hash = mix_text(hash, texts[i]);
    }
    return hash;
}

static err stream_number_of(struct replays *replays, const struct replay_spec *spec, u32 *out,
                            struct diag *diag)
{
    struct stream_id id = {spec->account, spec->region, spec->stream};
    struct stream *stream = streams_find(replays->streams, id);
    if (stream == NULL) {
        (void)diag_set(diag, ERR_NOT_FOUND, "FEED010",
                       "there is no stream \"" STR_FMT "\" in region " STR_FMT,
                       STR_ARG(spec->stream), STR_ARG(spec->region));
        diag_hint(diag, "leat stream create " STR_FMT " --region " STR_FMT, STR_ARG(spec->stream),
                  STR_ARG(spec->region));
        return ERR_NOT_FOUND;
    }
    struct stream_info info;
    stream_get_info(stream, &info);
    *out = info.number;
    stream_unref(stream);
    return OK;
}

static err spec_check(const struct replay_spec *spec, struct diag *diag)
{
    bool is_s3 = spec->source == REPLAY_S3;
    if (spec->stream.len == 0) {
        return diag_set(diag, ERR_INVALID, "FEED011", "no stream is named");
    }
    if (is_s3 && (spec->bucket.len == 0 || spec->key.len == 0)) {
        return diag_set(diag, ERR_INVALID, "FEED012", "an object is s3://bucket/key");
    }
    if (!is_s3 && spec->name.len == 0) {
        return diag_set(diag, ERR_INVALID, "FEED013", "what is pushed needs a name");
    }
    if (spec->form.indent < 0 || spec->form.indent > 16) {
        return diag_set(diag, ERR_INVALID, "FEED014", "the indent is 0 to 16, not %d",
                        spec->form.indent);
    }
    if (spec->rate > REPLAY_RATE_MAX) {
        return diag_set(diag, ERR_INVALID, "FEED015", "the rate is at most %d rows a second",
                        REPLAY_RATE_MAX);
    }
    return OK;
}

static struct replay *known(struct replays *replays, u64 fingerprint, isize *running_out)
{
    struct replay *newest = NULL;
    *running_out = 0;
    for (struct replay *r = replays->first; r != NULL; r = r->next) {
        *running_out += r->durable.state == REPLAY_RUNNING;
        newest = r->fingerprint == fingerprint ? r : newest;
    }
    return newest;
}

static struct replay *make(struct replays *replays, const struct replay_spec *spec)
{
    struct replay *r = replay__new(replays, replays->next_number++);
    struct arena *arena = &r->arena;
    str column = spec->partition_key.len > 0 ? spec->partition_key : STR("Severity");
    r->source = spec->source;
    r->account = arena_copy(arena, spec->account);
    r->region = arena_copy(arena, spec->region);
    r->stream_name = arena_copy(arena, spec->stream);
    r->bucket = arena_copy(arena, spec->bucket);
    r->key = arena_copy(arena, spec->key);
    r->name = arena_copy(arena, spec->name);
    r->form = spec->form;
    r->partition_key = arena_copy(arena, column);
    r->is_aggregated = spec->is_aggregated;
    r->passes = MAX(spec->passes, 1);
    r->rows_max = spec->rows_max;
    r->rate = spec->rate;
    r->created_ms = os_wall_us(replays->os) / 1000;
    return r;
}

static void unlink_last(struct replays *replays, struct replay *replay)
{
    struct replay **at = &replays->first;
    while (*at != replay) {
        at = &(*at)->next;
    }
    *at = replay->next;
    replay_free(replay);
}

/* A stopped or failed one goes on; a running one takes the new rate. */
static err go_on(struct replay *replay, const struct replay_spec *spec)
{
    bool was_running = replay->durable.state == REPLAY_RUNNING;
    if (replay->durable.state == REPLAY_DONE) {
        return OK;
    }
    __atomic_store_n(&replay->rate, spec->rate, __ATOMIC_RELAXED);
    if (was_running) {
        return OK;
    }
    thread_join(replay);
    struct replay_position position = replay->durable;
    position.state = REPLAY_RUNNING;
    TRY(replay__log_position(replay, &position, ""));
    replay->durable = position;
    replay->reason[0] = '\0';
    thread_start(replay);
    return OK;
}

static err submit_locked(struct replays *replays, const struct replay_spec *spec, u32 stream,
                         str etag, u64 bytes_total, struct arena *arena, struct replay_status *out,
                         bool *known_out, struct diag *diag)
{
    if (replays->is_closing) {
        return ERR_CLOSED;
    }
    isize running;
    u64 fingerprint = fingerprint_of(spec, stream, etag, bytes_total);
    struct replay *replay = known(replays, fingerprint, &running);
    bool may_join = !spec->is_another || (replay != NULL && replay->durable.state != REPLAY_DONE);
    *known_out = replay != NULL && may_join;
    bool runs_already = *known_out && replay->durable.state == REPLAY_RUNNING;
    if (!runs_already && running >= REPLAY_RUNNING_MAX) {
        return diag_set(diag, ERR_LIMIT, "FEED016", "%d replays are running, no more can",
                        REPLAY_RUNNING_MAX);
    }
    if (*known_out) {
        TRY(go_on(replay, spec));
    } else {
        replay = make(replays, spec);
        replay->stream_number = stream;
        replay->etag = arena_copy(&replay->arena, etag);
        replay->bytes_total = bytes_total;
        replay->fingerprint = fingerprint;
        err e = replay__log_submit(replay);
        if (e != OK) {
            unlink_last(replays, replay);
            return e;
        }
        thread_start(replay);
    }
    status_of(replay, arena, out);
    return OK;
}

err replay_submit(struct replays *replays, const struct replay_spec *spec, struct arena *arena,
                  struct replay_status *out, bool *known_out, struct diag *diag)
{
    u32 stream;
    str etag = STR_EMPTY;
    u64 bytes_total = spec->bytes_total;
    TRY(spec_check(spec, diag));
    TRY(stream_number_of(replays, spec, &stream, diag));
    if (spec->source == REPLAY_S3) {
        TRY(replay__object_head(replays, spec, arena, &etag, &bytes_total, diag));
    }
    os_mutex_lock(&replays->lock);
    err e = submit_locked(replays, spec, stream, etag, bytes_total, arena, out, known_out, diag);
    os_mutex_unlock(&replays->lock);
    return e;
}

err replay_stop(struct replays *replays, str id)
{
    os_mutex_lock(&replays->lock);
    struct replay *replay = find(replays, id);
    err e = replay == NULL ? ERR_NOT_FOUND : OK;
    if (replay != NULL) {
        thread_join(replay);
        if (replay->durable.state == REPLAY_RUNNING) {
            struct replay_position position = replay->durable;
            position.state = REPLAY_STOPPED;
            e = replay__log_position(replay, &position, "");
            replay->durable.state = e == OK ? REPLAY_STOPPED : REPLAY_RUNNING;
        }
    }
    os_mutex_unlock(&replays->lock);
    return e;
}

/* --- pushing
 * ---------------------------------------------------------------------------------------------
 */

static err push_locked(struct replay *replay, u64 pass, u64 offset, str bytes, bool is_last,
                       isize *taken_out)
{
    if (replay->source != REPLAY_PUSH || replay->durable.state != REPLAY_RUNNING) {
        return ERR_CLOSED;
    }
    if (pass != replay->push_pass || offset != replay->push_offset || replay->is_pass_pushed) {
        return ERR_RANGE;
    }
    isize taken = MIN(bytes.len, REPLAY_BUFFER_BYTES - replay->pushed.len);
    buf_append(&replay->pushed, str_slice(bytes, 0, taken));
    replay->push_offset += (u64)taken;
    replay->is_pass_pushed = is_last && taken == bytes.len;
    *taken_out = taken;
    os_cond_broadcast(&replay->changed);
    return OK;
}

err replay_push(struct replays *replays, str id, u64 pass, u64 offset, str bytes, bool is_last,
                isize *taken_out)
{
    os_mutex_lock(&replays->lock);
    struct replay *replay = find(replays, id);
    err e = ERR_NOT_FOUND;
    if (replay != NULL) {
        os_mutex_lock(&replay->lock);
        e = push_locked(replay, pass, offset, bytes, is_last, taken_out);
        os_mutex_unlock(&replay->lock);
    }
    os_mutex_unlock(&replays->lock);
    return e;
}
