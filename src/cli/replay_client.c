/* cli/replay_client.c: see replay_client.h. */
#include "cli/replay_client.h"

#include "cli/api.h"
#include "cli/options.h"
#include "net/client.h"
#include "os/os.h"
#include "os/process.h"

#include <stdio.h>

enum {
    PIECE_BYTES = 1 << 20,
    RETRY_MS = 250,
    POLL_MS = 100,
    FULL_MS = 20, /* Between two tries to push when the server has no room. */
    AWAY_MS = 60000,
    LINE_MS = 10000,
    BAR_MS = 250,
    BAR_CELLS = 24,
    NS_PER_MS = 1000000,
    TIMEOUT_MS = 60000,
    RATE_MAX = 10000000,
};

struct status { /* Of the server's answer. */
    char id[64], state[16], reason[1024], problem[128];
    u64 pass, passes, offset, bytes_total, bytes_fetched, rows_max;
    u64 rows, rows_bad, records, bytes_out;
    u64 push_pass, push_offset, push_room;
};

struct follow {
    const struct replay_request *request;
    struct http_client *http;
    struct status status;
    u64 started_ns, shown_ns;
    u64 rows_before; /* When this command began. */
    bool is_terminal, has_bar, is_problem_told;
    bool is_input_bad; /* What was to be sent cannot be read; printed. */
    u64 sent_pass;
};

/* --- the rate
 * --------------------------------------------------------------------------------------------- */

bool replay_rate_parse(const char *text, i64 *out)
{
    str rate = str_of(text);
    if (str_eq(rate, STR("unlimited"))) {
        *out = 0;
        return true;
    }
    rate = str_ends(rate, STR("/s")) ? str_slice(rate, 0, rate.len - 2) : rate;
    if (str_to_i64(rate, out) == OK && *out >= 1 && *out <= RATE_MAX) {
        return true;
    }
    print_error("for example --rate 250/s",
                "--rate is a number of rows a second, 1 to %d, or unlimited, not \"%s\"", RATE_MAX,
                text);
    return false;
}

/* --- the server
 * ------------------------------------------------------------------------------------------ */

static u64 number(const struct json_value *body, const char *name)
{
    return (u64)json_get_i64(body, str_of(name), 0);
}

static void status_read(const struct json_value *body, struct status *out)
{
    *out = (struct status){
        .pass = number(body, "pass"),
        .passes = number(body, "passes"),
        .offset = number(body, "offset"),
        .bytes_total = number(body, "bytes_total"),
        .bytes_fetched = number(body, "bytes_fetched"),
        .rows_max = number(body, "rows_max"),
        .rows = number(body, "rows"),
        .rows_bad = number(body, "rows_bad"),
        .records = number(body, "records"),
        .bytes_out = number(body, "bytes_out"),
        .push_pass = number(body, "push_pass"),
        .push_offset = number(body, "push_offset"),
        .push_room = number(body, "push_room"),
    };
    str_copy_cstr(json_get_text(body, STR("id")), out->id, (isize)sizeof out->id);
    str_copy_cstr(json_get_text(body, STR("state")), out->state, (isize)sizeof out->state);
    str_copy_cstr(json_get_text(body, STR("reason")), out->reason, (isize)sizeof out->reason);
    str_copy_cstr(json_get_text(body, STR("problem")), out->problem, (isize)sizeof out->problem);
}

/* One exchange. ERR_REMOTE: the server is not there. *out is NULL unless it answered with JSON. */
static err exchange(struct follow *f, const char *method, str path, str body, struct arena *arena,
                    int *status_out, const struct json_value **out)
{
    struct http_client_request request = {
        .method = str_of(method),
        .url = arena_printf(arena, "%s" STR_FMT, api_endpoint(), STR_ARG(path)),
        .body = body,
        .timeout_ms = TIMEOUT_MS,
    };
    struct http_client_response answer;
    struct diag diag;
    diag_init(&diag);
    err e = http_client_send(f->http, &request, arena, &answer, &diag);
    *out = NULL;
    *status_out = answer.status;
    if (e == OK) {
        *out = json_parse_request(arena, answer.body);
    }
    return e;
}

/* As exchange, but waits for a server that is away. False: printed. */
static bool ask(struct follow *f, const char *method, str path, str body)
{
    struct arena arena = {0};
    const struct json_value *answer = NULL;
    int status = 0;
    err e = OK;
    for (u32 away_ms = 0; away_ms <= AWAY_MS; away_ms += RETRY_MS) {
        e = exchange(f, method, path, body, &arena, &status, &answer);
        bool is_away = e != OK || status == 503;
        if (!is_away || os_interrupt_is_set()) {
            break;
        }
        if (away_ms == 0) {
            (void)fprintf(stderr, "%sthe server at %s is away, waiting for it\n",
                          f->has_bar ? "\n" : "", api_endpoint());
            f->has_bar = false;
        }
        os_sleep_ms(os_real(), RETRY_MS);
    }
    bool is_good = e == OK && status == 200 && answer != NULL;
    if (is_good) {
        status_read(answer, &f->status);
    } else if (e != OK || status == 503) {
        print_error("the same command goes on with it when the server runs again",
                    "the server at %s cannot be reached", api_endpoint());
    } else {
        str message = json_get_text(json_get(answer, STR("error")), STR("message"));
        print_error(NULL, STR_FMT, STR_ARG(message.len > 0 ? message : STR("the server refused")));
    }
    arena_deinit(&arena);
    return is_good;
}

static bool ask_status(struct follow *f)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/_leat/api/replays/%s", f->status.id);
    return ask(f, "GET", str_of(path), STR_EMPTY);
}

static void member(struct buf *out, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(out, ",\"%s\":", name);
        json_write_string(out, str_of(value));
    }
}

static void request_write(const struct replay_request *r, struct buf *out)
{
    buf_printf(out, "{\"source\":\"%s\"", r->source == NULL ? "s3" : "push");
    member(out, "bucket", r->bucket);
    member(out, "key", r->key);
    member(out, "name", r->name);
    member(out, "stream", r->stream);
    member(out, "region", r->region);
    member(out, "partition_key", r->partition_key);
    buf_printf(out,
               ",\"bytes_total\":%lld,\"indent\":%lld,\"rate\":%lld,\"passes\":%lld,"
               "\"rows_max\":%lld,\"typed\":%s,\"kpl\":%s,\"again\":%s}",
               (long long)r->bytes_total, (long long)r->indent, (long long)r->rate,
               (long long)r->passes, (long long)r->rows_max, r->is_typed ? "true" : "false",
               r->is_aggregated ? "true" : "false", r->is_another ? "true" : "false");
}

static void known_print(const struct status *s, bool is_json)
{
    if (strcmp(s->state, "DONE") == 0 && !is_json) {
        (void)printf("already replayed as %s: %llu rows (--again replays it once more)\n", s->id,
                     (unsigned long long)s->rows);
    } else if (strcmp(s->state, "DONE") != 0) {
        (void)fprintf(stderr, "going on with %s after %llu rows\n", s->id,
                      (unsigned long long)s->rows);
    }
}

/* Submits once: a second try could not tell whether the first arrived, but finds what it made. */
static int submit(struct follow *f)
{
    struct arena arena = {0};
    struct buf body = {0};
    str text;
    request_write(f->request, &body);
    int code = api_call(&arena, "POST", "/_leat/api/replays", buf_str(&body), &text);
    if (code == EXIT_OK) {
        const struct json_value *answer = json_parse_request(&arena, text);
        status_read(json_get(answer, STR("replay")), &f->status);
        if (json_get_bool(answer, STR("known"), false)) {
            known_print(&f->status, f->request->is_json);
        }
    }
    buf_deinit(&body);
    arena_deinit(&arena);
    return code;
}

/* --- progress
 * --------------------------------------------------------------------------------------------- */

/* 0 to 1; negative when it cannot be told. */
static double share_done(const struct follow *f)
{
    const struct status *s = &f->status;
    if (s->rows_max > 0) {
        return (double)(s->rows + s->rows_bad) / (double)s->rows_max;
    }
    double pass = -1;
    if (f->request->source == NULL && s->bytes_total > 0) {
        /* Compressed objects: how much is fetched; they are not much behind it. */
        u64 done = s->offset > s->bytes_total ? s->bytes_fetched : s->offset;
        pass = (double)done / (double)s->bytes_total;
    } else if (f->request->source != NULL) {
        u64 sent = byte_source_offset(f->request->source);
        double share = byte_source_share(f->request->source);
        pass = sent > 0 && share >= 0 ? share * MIN((double)s->offset / (double)sent, 1) : share;
    }
    return pass < 0 ? pass : ((double)s->pass + pass) / (double)MAX(s->passes, 1);
}

static void duration_write(double seconds, char *out, size_t bytes)
{
    u64 s = (u64)seconds;
    if (s >= 3600) {
        (void)snprintf(out, bytes, "%lluh %02llum", (unsigned long long)(s / 3600),
                       (unsigned long long)(s / 60 % 60));
    } else {
        (void)snprintf(out, bytes, "%llum %02llus", (unsigned long long)(s / 60),
                       (unsigned long long)(s % 60));
    }
}

static void progress_write(struct follow *f, double seconds, char *out, size_t bytes)
{
    const struct status *s = &f->status;
    double share = MIN(share_done(f), 1);
    double rate = seconds > 0 ? (double)(s->rows - f->rows_before) / seconds : 0;
    char eta[32] = "?", percent[16] = "";
    if (share > 0 && rate > 0) {
        double rows_left = (double)s->rows / share - (double)s->rows;
        duration_write(rows_left / rate, eta, sizeof eta);
        (void)snprintf(percent, sizeof percent, "%5.1f%%", share * 100);
    }
    (void)snprintf(out, bytes, "%s %llu rows, %.0f rows/s, %llu dead letters, ETA %s", percent,
                   (unsigned long long)s->rows, rate, (unsigned long long)s->rows_bad, eta);
}

static void bar_write(double share, char *out)
{
    int filled = share > 0 ? (int)(MIN(share, 1) * BAR_CELLS) : 0;
    for (int i = 0; i < BAR_CELLS; i++) {
        out[i] = i < filled ? '#' : '.';
    }
    out[BAR_CELLS] = '\0';
}

/* Once, until it is over. */
static void problem_tell(struct follow *f)
{
    bool has_problem = f->status.problem[0] != '\0';
    if (has_problem && !f->is_problem_told) {
        (void)fprintf(stderr, "%s%s\n", f->has_bar ? "\n" : "", f->status.problem);
        f->has_bar = false;
    }
    f->is_problem_told = has_problem;
}

static void progress(struct follow *f)
{
    problem_tell(f);
    u64 now = os_mono_ns(os_real());
    u64 every = (u64)(f->is_terminal ? BAR_MS : LINE_MS) * NS_PER_MS;
    if (now - f->shown_ns < every) {
        return;
    }
    f->shown_ns = now;
    char text[256], bar[BAR_CELLS + 1];
    progress_write(f, (double)(now - f->started_ns) / 1e9, text, sizeof text);
    if (f->is_terminal) {
        bar_write(share_done(f), bar);
        (void)fprintf(stderr, "\r[%s] %s\033[K", bar, text);
        f->has_bar = true;
    } else {
        (void)fprintf(stderr, "%s\n", text);
    }
    (void)fflush(stderr);
}

/* --- the way there
 * ---------------------------------------------------------------------------------------- */

/* One piece from where the server stands. False: printed. */
static bool push_piece(struct follow *f, struct buf *piece)
{
    struct byte_source *source = f->request->source;
    const struct status s = f->status;
    if (s.push_pass != f->sent_pass) {
        f->sent_pass = s.push_pass;
        f->is_input_bad = !byte_source_seek(source, 0);
    }
    byte_source_forget(source, s.offset);
    buf_reset(piece);
    f->is_input_bad =
        f->is_input_bad ||
        (byte_source_offset(source) != s.push_offset && !byte_source_seek(source, s.push_offset)) ||
        !byte_source_read(source, (isize)MIN(s.push_room, PIECE_BYTES), piece);
    if (f->is_input_bad) {
        return false;
    }
    char path[256];
    (void)snprintf(path, sizeof path, "/_leat/api/replays/%s/data?pass=%llu&offset=%llu&last=%d",
                   s.id, (unsigned long long)s.push_pass, (unsigned long long)s.push_offset,
                   byte_source_at_end(source));
    return ask(f, "POST", str_of(path), buf_str(piece));
}

static bool is_running(const struct follow *f)
{
    return strcmp(f->status.state, "RUNNING") == 0;
}

/* Until it is done, failed, stopped, or interrupted. False: printed. */
static bool follow_all(struct follow *f)
{
    struct buf piece = {0};
    bool is_good = true;
    while (is_good && is_running(f) && !os_interrupt_is_set()) {
        progress(f);
        bool has_source = f->request->source != NULL;
        if (has_source && f->status.push_room > 0) {
            is_good = push_piece(f, &piece);
            continue;
        }
        os_sleep_ms(os_real(), has_source ? FULL_MS : POLL_MS);
        is_good = ask_status(f);
    }
    buf_deinit(&piece);
    return is_good;
}

/* It waits for nothing then; the same command goes on with it. */
static void stop_it(struct follow *f)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/_leat/api/replays/%s/stop", f->status.id);
    if (ask(f, "POST", str_of(path), STR("{}"))) {
        (void)fprintf(stderr, "stopped after %llu rows; the same command goes on there\n",
                      (unsigned long long)f->status.rows);
    }
}

/* How it stands, as the API answers. */
static int status_print(const char *id)
{
    struct arena arena = {0};
    struct buf path = {0};
    str answer;
    buf_append(&path, STR("/_leat/api/replays/"));
    api_segment(&path, str_of(id));
    int code = api_call(&arena, "GET", api_path(&path), STR_EMPTY, &answer);
    if (code == EXIT_OK) {
        (void)printf(STR_FMT "\n", STR_ARG(answer));
    }
    buf_deinit(&path);
    arena_deinit(&arena);
    return code;
}

static int finished(struct follow *f)
{
    const struct status *s = &f->status;
    double seconds = (double)(os_mono_ns(os_real()) - f->started_ns) / 1e9;
    if (strcmp(s->state, "FAILED") == 0) {
        print_error("the same command tries again from there", "%s (after %llu rows)", s->reason,
                    (unsigned long long)s->rows);
        return EXIT_FAILED;
    }
    if (strcmp(s->state, "STOPPED") == 0) {
        print_error("the same command goes on there", "it was stopped after %llu rows",
                    (unsigned long long)s->rows);
        return EXIT_FAILED;
    }
    if (f->request->is_json) {
        return status_print(s->id);
    }
    (void)printf("%llu rows into %s: %llu records, %llu bytes, %llu dead letters, %.1f s\n",
                 (unsigned long long)s->rows, f->request->stream, (unsigned long long)s->records,
                 (unsigned long long)s->bytes_out, (unsigned long long)s->rows_bad, seconds);
    if (s->rows_bad > 0) {
        (void)printf("leat deadletter list --region %s shows what could not be sent\n",
                     f->request->region);
    }
    return EXIT_OK;
}

int replay_follow(const struct replay_request *request)
{
    struct follow f = {.request = request, .is_terminal = os_is_terminal(2)};
    int code = submit(&f);
    if (code != EXIT_OK) {
        return code;
    }
    if (strcmp(f.status.state, "DONE") == 0) {
        return request->is_json ? status_print(f.status.id) : EXIT_OK;
    }
    os_interrupt_catch();
    f.http = http_client_new(os_real());
    f.started_ns = f.shown_ns = os_mono_ns(os_real());
    f.rows_before = f.status.rows;
    bool is_good = follow_all(&f);
    if (f.has_bar) {
        (void)fputc('\n', stderr);
    }
    if (os_interrupt_is_set() && is_running(&f)) {
        stop_it(&f);
        code = EXIT_INTERRUPTED;
    } else if (f.is_input_bad) {
        stop_it(&f);
        code = EXIT_FAILED;
    } else {
        code = is_good ? finished(&f) : EXIT_REMOTE;
    }
    http_client_free(f.http);
    return code;
}
