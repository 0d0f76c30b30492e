/* cli/cmd_tail.c: leat stream tail. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/consumer_tail.h"
#include "cli/retry.h"
#include "codec/base64.h"
#include "os/process.h"
#include "stream/stream.h"

#include <stdio.h>

enum form { FORM_TABLE, FORM_JSON, FORM_DATA };

struct tail {
    struct arena arena;
    enum form form;
    char data_end; /* Behind each record's bytes. */
    bool has_ended;
    char name[32]; /* Of the event. */
    int code;
    i64 limit, printed; /* Limit: 0 = none. */
    i64 started_ms;
    /* The last record that came, to go on behind it when the server comes back. */
    char last[STREAM_SEQUENCE_DIGITS + 1];
    i64 last_sub, last_arrival_ms;
    bool is_passing; /* Over what was printed before. */
    bool has_come, is_away;
    struct retry retry;
};

static void data_write(struct tail *t, const struct json_value *record)
{
    str data = json_get_text(record, STR("data"));
    const struct json_value *encoded = json_get(record, STR("data_base64"));
    if (encoded != NULL) {
        isize length = MAX(base64_decoded_bytes(json_text(encoded)), 0);
        u8 *bytes = arena_alloc(&t->arena, length + 1);
        err e = base64_decode(json_text(encoded), bytes, &length);
        data = e == OK ? str_from(bytes, length) : STR_EMPTY;
    }
    if (data.len > 0) {
        (void)fwrite(data.data, 1, (size_t)data.len, stdout);
    }
    (void)putchar(t->data_end);
}

static void record_print(struct tail *t, str text)
{
    if (t->form == FORM_JSON) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
        return;
    }
    const struct json_value *record = json_parse_request(&t->arena, text);
    if (t->form == FORM_DATA) {
        data_write(t, record);
        return;
    }
    str shard = json_get_text(record, STR("shard_id"));
    print_time_ms(json_get_i64(record, STR("arrival_ms"), 0));
    (void)printf("  " STR_FMT "  ", STR_ARG(str_slice(shard, MAX(shard.len - 4, 0), shard.len)));
    print_plain(json_get_text(record, STR("partition_key")), true);
    (void)printf("  ");
    const struct json_value *encoded = json_get(record, STR("data_base64"));
    print_plain(encoded != NULL ? json_text(encoded) : json_get_text(record, STR("data")), false);
    (void)putchar('\n');
}

/* Was it there before the server went away? Its place is kept. */
static bool is_known(struct tail *t, str text)
{
    const struct json_value *record = json_parse_request(&t->arena, text);
    str sequence = json_get_text(record, STR("sequence_number"));
    i64 sub = json_get_i64(record, STR("sub_sequence"), -1);
    i64 arrival_ms = json_get_i64(record, STR("arrival_ms"), 0);
    if (t->is_passing && arrival_ms <= t->last_arrival_ms) {
        t->is_passing = !str_eq(sequence, str_of(t->last)) || sub != t->last_sub;
        return true;
    }
    t->is_passing = false;
    str_copy_cstr(sequence, t->last, (isize)sizeof t->last);
    t->last_sub = sub;
    t->last_arrival_ms = arrival_ms;
    return false;
}

static void record_take(struct tail *t, str text)
{
    if (is_known(t, text)) {
        return;
    }
    record_print(t, text);
    t->printed++;
    t->has_ended = t->has_ended || (t->limit > 0 && t->printed == t->limit);
}

static bool on_line(void *ctx, str line)
{
    struct tail *t = ctx;
    t->has_come = true;
    t->is_away = false;
    retry_reset(&t->retry);
    if (str_starts(line, STR("event: "))) {
        str_copy_cstr(str_slice(line, 7, line.len), t->name, (isize)sizeof t->name);
    } else if (str_starts(line, STR("data: "))) {
        str text = str_slice(line, 6, line.len);
        arena_reset(&t->arena);
        if (strcmp(t->name, "record") == 0) {
            record_take(t, text);
        } else if (strcmp(t->name, "end") == 0) {
            str why = json_get_text(json_parse_request(&t->arena, text), STR("reason"));
            print_note(STR_FMT, STR_ARG(why));
            t->has_ended = true;
        } else if (strcmp(t->name, "error") == 0) {
            const struct json_value *body = json_parse_request(&t->arena, text);
            str message = json_get_text(json_get(body, STR("error")), STR("message"));
            print_error(NULL, STR_FMT, STR_ARG(message));
            t->code = EXIT_FAILED;
            t->has_ended = true;
        }
        (void)fflush(stdout);
    }
    return !t->has_ended && ferror(stdout) == 0 && !os_output_is_closed();
}

static bool on_record(void *ctx, str json)
{
    struct tail *t = ctx;
    arena_reset(&t->arena);
    record_print(t, json);
    (void)fflush(stdout);
    return ferror(stdout) == 0 && !os_output_is_closed();
}

enum { REGION, FROM, WHERE, SHARD, CONSUMER, LIMIT, RAW, DATA, NUL, OUTPUT };

static int tail_as_consumer(struct tail *t, const char *name, const struct option *options)
{
    if (options[WHERE].is_given) {
        print_error("leave out --consumer, or filter what is printed",
                    "fan-out sends every record: --where and --consumer exclude each other");
        return EXIT_USAGE;
    }
    struct consumer_tail tail = {
        .stream = name,
        .region = api_region(&options[REGION]),
        .consumer = options[CONSUMER].text,
        .from = options[FROM].text,
        .shard = options[SHARD].text,
        .limit = options[LIMIT].number,
        .is_raw = options[RAW].is_given,
        .on_record = on_record,
        .ctx = t,
    };
    return consumer_tail_run(&tail);
}

/* Behind what came already. */
static void path_make(const struct tail *t, const char *name, const struct option *options,
                      struct buf *path)
{
    char from[24];
    bool is_latest = !options[FROM].is_given || strcmp(options[FROM].text, "latest") == 0;
    const char *text = options[FROM].is_given ? options[FROM].text : "latest";
    api_stream_path(path, name, "/tail", api_region(&options[REGION]));
    if (t->has_come && (is_latest || t->last[0] != '\0')) {
        (void)snprintf(from, sizeof from, "%lld",
                       (long long)(t->last[0] != '\0' ? t->last_arrival_ms : t->started_ms));
        text = from;
    }
    api_param(path, "from", str_of(text));
    if (options[WHERE].is_given) {
        api_param(path, "where", str_of(options[WHERE].text));
    }
    if (options[SHARD].is_given) {
        api_param(path, "shard", str_of(options[SHARD].text));
    }
    if (options[RAW].is_given) {
        api_param(path, "raw", STR("true"));
    }
}

static bool wants_more(const struct tail *t)
{
    return !t->has_ended && !os_interrupt_is_set() && ferror(stdout) == 0 && !os_output_is_closed();
}

/* A server that stops or is killed is waited for. */
static int tail_by_api(struct tail *t, const char *name, const struct option *options)
{
    struct buf path = {0};
    bool is_lost = false;
    int code = EXIT_OK;
    do {
        buf_reset(&path);
        path_make(t, name, options, &path);
        t->is_passing = t->last[0] != '\0';
        code = api_lines_or_lost(api_path(&path), t->has_come, on_line, t, &is_lost);
        if (!is_lost && code != EXIT_OK) {
            break;
        }
        if (wants_more(t) && t->has_come && !t->is_away) {
            print_note("the server at %s is away, waiting for it", api_endpoint());
            t->is_away = true;
        }
    } while (wants_more(t) && t->has_come && retry_pause(&t->retry));
    buf_deinit(&path);
    if (os_interrupt_is_set()) {
        return EXIT_INTERRUPTED;
    }
    if (wants_more(t) && (is_lost || code == EXIT_OK)) {
        print_error("is it running? leat start starts it; LEAT_ENDPOINT says where it is",
                    "cannot reach %s", api_endpoint());
        return EXIT_REMOTE;
    }
    return code != EXIT_OK && !is_lost ? code : t->code;
}

/* Prints what is empty, or contradicts another option. */
static bool fit_together(const struct option *options)
{
    static const struct {
        int option;
        const char *hint;
    } full[] = {{FROM, "latest, trim-horizon, or a time: 2026-11-24T01:02:03"},
                {WHERE, "leave it out to see all records"},
                {SHARD, "leave it out to see all shards"},
                {CONSUMER, "leat stream consumers NAME lists them"}};
    for (isize i = 0; i < COUNT_OF(full); i++) { /* Most often a variable that is not set. */
        const struct option *option = &options[full[i].option];
        if (option->is_given && option->text[0] == '\0') {
            print_error(full[i].hint, "--%s is empty", option->name);
            return false;
        }
    }
    if (options[DATA].is_given && options[OUTPUT].is_given) {
        print_error("leave one of them out", "--data and --output exclude each other");
        return false;
    }
    if (options[NUL].is_given && !options[DATA].is_given) {
        print_error("leat stream tail NAME --data --null", "--null is about what --data prints");
        return false;
    }
    return true;
}

int cmd_stream_tail(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [FROM] = {"from", OPTION_TEXT, "WHERE", "latest, trim-horizon, or a UTC time (latest).",
                  NULL, 0, false},
        [WHERE] = {"where", OPTION_TEXT, "CONDITION",
                   "SQL over the record's top-level JSON members.", NULL, 0, false},
        [SHARD] = {"shard", OPTION_TEXT, "SHARD", "Only this shard, by number or id.", NULL, 0,
                   false},
        [CONSUMER] = {"consumer", OPTION_TEXT, "CONSUMER",
                      "By enhanced fan-out, as this registered consumer.", NULL, 0, false},
        [LIMIT] = {"limit", OPTION_NUMBER, "N", "End after N records.", NULL, 0, false},
        [RAW] = {"raw", OPTION_FLAG, NULL, "Aggregates of the KPL as they are, not taken apart.",
                 NULL, 0, false},
        [DATA] = {"data", OPTION_FLAG, NULL, "Only the records' bytes, a line feed after each.",
                  NULL, 0, false},
        [NUL] = {"null", OPTION_FLAG, NULL, "With --data: a NUL byte after each, no line feed.",
                 NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|ndjson",
                    "table on a terminal, else a JSON object a line.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream tail"), options, argc, argv, words, &a) ||
        !arguments_one("stream tail", "NAME", &a)) {
        return EXIT_USAGE;
    }
    if (options[LIMIT].is_given && options[LIMIT].number < 1) {
        print_error(NULL, "--limit takes a whole number from 1 on");
        return EXIT_USAGE;
    }
    if (!fit_together(options)) {
        return EXIT_USAGE;
    }
    char shard[API_SHARD_ID_BYTES];
    if (options[SHARD].is_given) {
        options[SHARD].text = api_shard_id(options[SHARD].text, shard);
    }
    struct tail t = {0};
    bool is_table = options[OUTPUT].is_given ? options[OUTPUT].text[0] == 't' : os_is_terminal(1);
    t.form = is_table ? FORM_TABLE : FORM_JSON;
    t.form = options[DATA].is_given ? FORM_DATA : t.form;
    t.limit = options[LIMIT].number;
    t.started_ms = os_wall_us(os_real()) / 1000;
    t.data_end = options[NUL].is_given ? '\0' : '\n';
    os_interrupt_catch();
    int code = options[CONSUMER].is_given ? tail_as_consumer(&t, a.words[0], options)
                                          : tail_by_api(&t, a.words[0], options);
    arena_deinit(&t.arena);
    return code;
}
