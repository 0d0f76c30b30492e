/* cli/record_put.c: see record_put.h. */
#include "cli/record_put.h"

#include "cli/api.h"
#include "cli/kinesis_client.h"
#include "cli/progress.h"
#include "cli/retry.h"
#include "codec/base64.h"
#include "os/process.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    BATCH_RECORDS_MAX = 500,
    BATCH_BYTES_MAX = 4 << 20,
    KEY_CHARS_MAX = 256,
    ERRORS_PRINTED_MAX = 20,
    LINES_BYTES_MAX = 3000,
};

struct entry {
    i64 line;
    isize start, len; /* Of its JSON in `text`. */
    isize bytes;      /* Data and key. */
};

struct record_put {
    struct record_put_options options;
    struct aws_client *client;
    struct buf text; /* Of the entries. */
    struct entry entries[BATCH_RECORDS_MAX];
    isize count, bytes, window; /* Window: how many the next request has. */
    i64 total, refused, again;  /* Again: sent twice, as the answer got lost. */
    u64 bytes_put;
    struct retry retry;
    bool is_away;
    i64 left_out; /* Line of the first record that came too late; 0 = none. */
    int code;
    struct buf lines; /* "3, 7-9": those refused. */
    i64 range_first, range_last, unlisted;
    struct progress progress;
    double share;
};

struct record_put *record_put_new(const struct record_put_options *options)
{
    struct record_put *p = NEW(struct record_put);
    p->options = *options;
    p->client = kinesis_client_new(options->region);
    p->share = -1;
    progress_init(&p->progress);
    return p;
}

void record_put_free(struct record_put *p)
{
    if (p != NULL) {
        aws_client_free(p->client);
        buf_deinit(&p->text);
        buf_deinit(&p->lines);
        mem_free(p);
    }
}

bool record_put_goes_on(const struct record_put *p)
{
    return p->code == EXIT_OK && !os_interrupt_is_set();
}

void record_put_stop(struct record_put *p, int code)
{
    p->code = p->code == EXIT_OK ? code : p->code;
}

void record_put_share(struct record_put *p, double share)
{
    p->share = share;
}

/* --- what cannot be put
 * ------------------------------------------------------------------------------- */

static void range_write(struct record_put *p)
{
    if (p->range_first == 0) {
        return;
    }
    if (p->lines.len > LINES_BYTES_MAX) {
        p->unlisted += p->range_last - p->range_first + 1;
    } else {
        buf_printf(&p->lines, "%s%lld", p->lines.len > 0 ? ", " : "", (long long)p->range_first);
        if (p->range_last > p->range_first) {
            buf_printf(&p->lines, "-%lld", (long long)p->range_last);
        }
    }
    p->range_first = p->range_last = 0;
}

void record_put_refuse(struct record_put *p, i64 line, const char *format, ...)
{
    if (p->refused < ERRORS_PRINTED_MAX) {
        char message[1024];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(message, sizeof message, format, args);
        va_end(args);
        progress_clear(&p->progress);
        print_error(p->refused + 1 == ERRORS_PRINTED_MAX ? "further ones are only counted" : NULL,
                    "%s %lld %s", p->options.noun, (long long)line, message);
    }
    p->refused++;
    if (p->range_first == 0 || line != p->range_last + 1) {
        range_write(p);
        p->range_first = line;
    }
    p->range_last = line;
}

/* --- the request
 * -------------------------------------------------------------------------------------- */

static void request_write(const struct record_put *p, struct buf *out)
{
    buf_append(out, STR("{\"StreamName\":"));
    json_write_string(out, str_of(p->options.stream));
    buf_append(out, STR(",\"Records\":["));
    for (isize i = 0; i < p->window; i++) {
        const struct entry *e = &p->entries[i];
        buf_append(out, i == 0 ? STR_EMPTY : STR(","));
        buf_append(out, str_slice(buf_str(&p->text), e->start, e->start + e->len));
    }
    buf_append(out, STR("]}"));
}

/* The first `gone` entries have no further use but those that `kept` marks. */
static void entries_drop(struct record_put *p, isize gone, const bool *kept)
{
    isize count = 0;
    for (isize i = 0; i < p->count; i++) {
        if (i >= gone || (kept != NULL && kept[i])) {
            p->entries[count++] = p->entries[i];
        }
    }
    p->count = p->window = count;
    if (count == 0) {
        buf_reset(&p->text);
        p->bytes = 0;
    }
}

static void result_print(const struct record_put *p, struct buf *out, isize i,
                         const struct json_value *result)
{
    buf_append(out, out->len == 0 ? STR("{\"records\":[{") : STR(",{"));
    buf_printf(out, "\"%s\":%lld", p->options.noun, (long long)p->entries[i].line);
    api_member(out, "shard_id", json_get_text(result, STR("ShardId")));
    api_member(out, "sequence_number", json_get_text(result, STR("SequenceNumber")));
    buf_append_byte(out, '}');
}

/* Which of the records were taken; the others stay. */
static void results_take(struct record_put *p, const struct json_value *answer)
{
    bool kept[BATCH_RECORDS_MAX] = {false};
    const struct json_value *results = json_get(answer, STR("Records"));
    struct buf out = {0};
    str why = STR_EMPTY;
    if (json_count(results) != p->window) {
        print_error(NULL, "the answer has %td results for %td records", json_count(results),
                    p->window);
        p->code = EXIT_REMOTE;
        return;
    }
    const struct json_value *result = json_first(results);
    isize taken = 0;
    for (isize i = 0; i < p->window; i++, result = json_next(result)) {
        kept[i] = json_get_text(result, STR("ErrorCode")).len > 0;
        if (kept[i]) {
            why = json_get_text(result, STR("ErrorMessage"));
            continue;
        }
        taken++;
        p->bytes_put += (u64)p->entries[i].bytes;
        if (p->options.is_json) {
            result_print(p, &out, i, result);
        }
    }
    if (out.len > 0) {
        (void)printf(STR_FMT "]}\n", STR_ARG(buf_str(&out)));
        (void)fflush(stdout);
    }
    buf_deinit(&out);
    p->total += taken;
    bool is_all = taken == p->window;
    entries_drop(p, p->window, kept);
    if (taken > 0) {
        retry_reset(&p->retry);
    }
    if (!is_all && !retry_pause(&p->retry) && !os_interrupt_is_set()) {
        print_error("more shards take more: leat stream scale", STR_FMT, STR_ARG(why));
        p->code = EXIT_REMOTE;
    }
}

/* A request that is refused as a whole: halves of it find the record that is the reason. */
static void refused_take(struct record_put *p, struct arena *arena, int status, str body)
{
    const struct json_value *answer = json_parse_request(arena, body);
    str type = json_get_text(answer, STR("__type")), text = json_get_text(answer, STR("message"));
    bool is_stream = str_find(text, STR("at 'streamName'"), 0) >= 0; /* Wrong for every record. */
    bool is_record = status == 400 && !is_stream &&
                     (str_eq(type, STR("ValidationException")) ||
                      str_eq(type, STR("InvalidArgumentException")) ||
                      str_eq(type, STR("SerializationException")));
    bool is_throttled = str_eq(type, STR("ProvisionedThroughputExceededException")) ||
                        str_eq(type, STR("LimitExceededException"));
    if (is_record && p->window > 1) {
        p->window = p->window / 2;
    } else if (is_record) {
        record_put_refuse(p, p->entries[0].line, "cannot be put: " STR_FMT, STR_ARG(text));
        entries_drop(p, 1, NULL);
    } else if (!(is_throttled || (status >= 500 && p->total > 0)) || !retry_pause(&p->retry)) {
        progress_clear(&p->progress);
        int code = str_eq(type, STR("ResourceNotFoundException"))
                       ? kinesis_no_stream(p->options.stream, p->options.region)
                       : kinesis_failed(arena, status, body);
        p->code = status >= 500 ? EXIT_REMOTE : code;
    }
}

/* Nothing was put yet: it is not there. Else it may come back. */
static void unreachable_take(struct record_put *p, const struct diag *diag)
{
    if (p->total == 0 || !retry_pause(&p->retry)) {
        progress_clear(&p->progress);
        p->code = api_unreachable(diag);
        return;
    }
    if (!p->is_away) {
        progress_clear(&p->progress);
        print_note("the server at %s is away, waiting for it", api_endpoint());
        p->again += p->window;
        p->is_away = true;
    }
}

static void request_send(struct record_put *p)
{
    struct arena arena = {0};
    struct buf body = {0};
    struct http_client_response answer;
    struct diag diag;
    diag_init(&diag);
    request_write(p, &body);
    struct aws_client_request request = kinesis_request(&arena, "PutRecords", buf_str(&body));
    err e = aws_client_call(p->client, &request, &arena, &answer, &diag);
    if (e != OK) {
        unreachable_take(p, &diag);
    } else {
        p->is_away = false;
        if (answer.status == 200) {
            results_take(p, json_parse_request(&arena, answer.body));
        } else {
            refused_take(p, &arena, answer.status, answer.body);
        }
    }
    buf_deinit(&body);
    arena_deinit(&arena);
}

void record_put_flush(struct record_put *p)
{
    p->window = p->count;
    while (p->count > 0 && record_put_goes_on(p)) {
        request_send(p);
    }
    if (progress_is_due(&p->progress)) {
        char bar[PROGRESS_BAR_CHARS], bytes[PROGRESS_BYTES_CHARS];
        progress_show(&p->progress, "%s%lld records put, %s", progress_bar(p->share, bar),
                      (long long)p->total, progress_bytes(p->bytes_put, bytes));
    }
}

/* --- records
 * ------------------------------------------------------------------------------------------ */

static str random_key(char out[33])
{
    u8 r[16];
    os_random(os_real(), r, (isize)sizeof r);
    (void)snprintf(out, 33, "%016llx%016llx", (unsigned long long)get_u64(r),
                   (unsigned long long)get_u64(r + 8));
    return str_of(out);
}

static isize chars_of(str text)
{
    isize chars = 0;
    for (isize i = 0; i < text.len; i++) {
        chars += (text.data[i] & 0xC0) != 0x80;
    }
    return chars;
}

bool record_put_key_is_good(str key)
{
    return key.len > 0 && str_is_utf8(key) && chars_of(key) <= KEY_CHARS_MAX;
}

static bool is_good(struct record_put *p, const struct record_put_record *record)
{
    if (record->data.len > RECORD_PUT_BYTES_MAX) {
        record_put_refuse(p, record->line, "is larger than a record may be: 10 MiB");
        return false;
    }
    if (record->key.len > 0 && !record_put_key_is_good(record->key)) {
        record_put_refuse(p, record->line,
                          "has a partition key that is not 1 to %d characters "
                          "of UTF-8",
                          KEY_CHARS_MAX);
        return false;
    }
    return true;
}

void record_put_add(struct record_put *p, const struct record_put_record *record)
{
    char made[33];
    if (!record_put_goes_on(p)) {
        p->left_out = p->left_out == 0 ? record->line : p->left_out;
        return;
    }
    if (!is_good(p, record)) {
        return;
    }
    str key = record->key.len > 0 ? record->key : random_key(made);
    isize bytes = record->data.len + key.len;
    if (p->count == BATCH_RECORDS_MAX || (p->count > 0 && p->bytes + bytes > BATCH_BYTES_MAX)) {
        record_put_flush(p);
        if (!record_put_goes_on(p)) {
            p->left_out = record->line;
            return;
        }
    }
    struct entry *e = &p->entries[p->count++];
    *e = (struct entry){.line = record->line, .start = p->text.len, .bytes = bytes};
    buf_append(&p->text, STR("{\"Data\":\""));
    base64_append(&p->text, record->data);
    buf_append_byte(&p->text, '"');
    api_member(&p->text, "PartitionKey", key);
    api_member(&p->text, "ExplicitHashKey", record->hash_key);
    buf_append_byte(&p->text, '}');
    e->len = p->text.len - e->start;
    p->bytes += bytes;
}

/* --- the end
 * ------------------------------------------------------------------------------------------ */

static void summary_print(struct record_put *p, i64 last_line)
{
    const char *noun = p->options.noun;
    if (!p->options.is_json) {
        (void)fprintf(stderr, "put %lld record%s into %s\n", (long long)p->total,
                      p->total == 1 ? "" : "s", p->options.stream);
    }
    if (p->refused > 0) {
        range_write(p);
        char more[40] = "";
        if (p->unlisted > 0) {
            (void)snprintf(more, sizeof more, " and %lld more", (long long)p->unlisted);
        }
        print_error(NULL, "%lld could not be put: %s%s " STR_FMT "%s", (long long)p->refused, noun,
                    p->refused == 1 ? "" : "s", STR_ARG(buf_str(&p->lines)), more);
    }
    if (p->again > 0) {
        print_note("%lld were sent again after the server was away: they may be there twice",
                   (long long)p->again);
    }
    if (p->total == 0) {
        return; /* Nothing that one could go on behind. */
    }
    i64 next = p->count > 0 ? p->entries[0].line : p->left_out > 0 ? p->left_out : last_line + 1;
    if (p->count == 0 && record_put_goes_on(p)) {
        return;
    }
    if (p->options.resume != NULL) {
        print_note("not put: %s %lld and what comes after it; %s %lld goes on there", noun,
                   (long long)next, p->options.resume, (long long)next);
    } else {
        print_note("not put: %s %lld and what comes after it", noun, (long long)next);
    }
}

int record_put_end(struct record_put *p, i64 last_line)
{
    record_put_flush(p);
    progress_clear(&p->progress);
    summary_print(p, last_line);
    if (p->code != EXIT_OK) {
        return p->code;
    }
    if (os_interrupt_is_set()) {
        return EXIT_INTERRUPTED;
    }
    return p->refused > 0 ? EXIT_FAILED : EXIT_OK;
}
