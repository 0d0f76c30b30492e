/* cli/cmd_records.c: leat stream put and leat stream tail. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/consumer_tail.h"
#include "codec/base64.h"
#include "os/process.h"

#include <errno.h>
#include <stdio.h>

enum {
    BATCH_RECORDS_MAX = 500,
    BATCH_BYTES_MAX = 1 << 20,
    RECORD_BYTES_MAX = 1 << 20,
    READ_BYTES = 65536,
    KEY_CHARS_MAX = 256,
};

/* --- put
 * ---------------------------------------------------------------------------------------------- */

struct put {
    const char *name, *region, *key, *key_field;
    bool is_json;
    struct buf body; /* Of the request, from its first record on. */
    isize batch_count;
    i64 line, total;
    int code;
};

static void batch_send(struct put *p)
{
    if (p->batch_count == 0 || p->code != EXIT_OK) {
        return;
    }
    struct arena arena = {0};
    struct buf path = {0};
    str text;
    buf_append(&p->body, STR("]}"));
    api_stream_path(&path, p->name, "/records", p->region);
    p->code = api_call(&arena, "POST", api_path(&path), buf_str(&p->body), &text);
    if (p->code == EXIT_OK) {
        p->total += p->batch_count;
        if (p->is_json) {
            (void)printf(STR_FMT "\n", STR_ARG(text));
        }
    }
    p->batch_count = 0;
    buf_reset(&p->body);
    buf_deinit(&path);
    arena_deinit(&arena);
}

/* The member's text; numbers as written. */
static bool key_of(struct put *p, struct arena *arena, str data, str *out)
{
    const struct json_value *record = json_parse_request(arena, data);
    const struct json_value *member = json_get(record, str_of(p->key_field));
    bool is_text = json_kind(member) == JSON_STRING || json_kind(member) == JSON_NUMBER;
    *out = json_text(member);
    if (!is_text || out->len == 0) {
        print_error(NULL, "record %lld has no text or number \"%s\" at its top to be the key",
                    (long long)p->line, p->key_field);
        p->code = EXIT_FAILED;
        return false;
    }
    return true;
}

static void record_add(struct put *p, str data)
{
    struct arena arena = {0};
    str key = p->key == NULL ? STR_EMPTY : str_of(p->key);
    p->line++;
    if (p->code == EXIT_OK && data.len > RECORD_BYTES_MAX) {
        print_error(NULL, "record %lld is larger than a record may be: 1 MiB", (long long)p->line);
        p->code = EXIT_FAILED;
    }
    if (p->code == EXIT_OK && (p->key_field == NULL || key_of(p, &arena, data, &key))) {
        buf_append(&p->body, p->batch_count == 0 ? STR("{\"records\":[{") : STR(",{"));
        if (str_is_utf8(data)) {
            buf_append(&p->body, STR("\"data\":"));
            json_write_string(&p->body, data);
        } else {
            buf_append(&p->body, STR("\"data_base64\":\""));
            base64_append(&p->body, data);
            buf_append_byte(&p->body, '"');
        }
        api_member(&p->body, "partition_key", key);
        buf_append_byte(&p->body, '}');
        p->batch_count++;
    }
    arena_deinit(&arena);
    if (p->batch_count >= BATCH_RECORDS_MAX || p->body.len >= BATCH_BYTES_MAX) {
        batch_send(p);
    }
}

/* Records of what is there already go together, none waits for more. */
static void input_put(struct put *p, bool is_whole)
{
    struct buf text = {0};
    isize got;
    do {
        u8 *room = buf_reserve(&text, READ_BYTES);
        got = os_input_read(room, READ_BYTES);
        text.len += MAX(got, 0);
        if (text.len > RECORD_BYTES_MAX + READ_BYTES && is_whole) {
            break; /* record_add says so. */
        }
        isize start = 0, end;
        while (!is_whole && (end = str_find_byte(buf_str(&text), '\n', start)) >= 0) {
            str line = str_slice(buf_str(&text), start, end);
            bool has_return = line.len > 0 && line.data[line.len - 1] == '\r';
            line.len -= has_return;
            if (line.len > 0) {
                record_add(p, line);
            }
            start = end + 1;
        }
        if (start > 0) {
            memmove(text.data, text.data + start, (size_t)(text.len - start));
            text.len -= start;
        }
        batch_send(p);
    } while (got > 0 && p->code == EXIT_OK && (is_whole || text.len <= RECORD_BYTES_MAX));
    if (got < 0) {
        print_error(NULL, "cannot read the input: %s", os_errno_text());
        p->code = EXIT_FAILED;
    } else if (text.len > 0) {
        record_add(p, buf_str(&text));
    }
    batch_send(p);
    buf_deinit(&text);
}

int cmd_stream_put(int argc, char **argv)
{
    enum { REGION, KEY, KEY_FIELD, FILE_OPTION, WHOLE, OUTPUT };
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [KEY] = {"key", OPTION_TEXT, "KEY", "Partition key of all; else a random one for each.",
                 NULL, 0, false},
        [KEY_FIELD] = {"key-field", OPTION_TEXT, "NAME",
                       "Partition key: this member of each record.", NULL, 0, false},
        [FILE_OPTION] = {"file", OPTION_TEXT, "FILE", "Records from a file, one a line.", NULL, 0,
                         false},
        [WHOLE] = {"whole", OPTION_FLAG, NULL, "The input is one record, line feeds and all.", NULL,
                   0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|ndjson",
                    "json: shard and sequence number of each, a line per request.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream put"), options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    bool has_both = options[KEY].is_given && options[KEY_FIELD].is_given;
    bool has_two = options[FILE_OPTION].is_given && a.count > 1;
    if (a.count < 1 || has_both || has_two) {
        print_error("leat stream put NAME [DATA...] [--key KEY]",
                    has_both  ? "--key and --key-field exclude each other"
                    : has_two ? "give records by --file or as words, not both"
                              : "leat stream put needs the name of a stream");
        return EXIT_USAGE;
    }
    if (options[KEY].is_given && options[KEY].text[0] == '\0') {
        print_error(NULL, "a partition key has 1 to %d characters", KEY_CHARS_MAX);
        return EXIT_USAGE;
    }
    const char *file = options[FILE_OPTION].text;
    if (file != NULL && strcmp(file, "-") != 0 && freopen(file, "re", stdin) == NULL) {
        print_error(NULL, "cannot read %s: %s", file, strerror(errno));
        return EXIT_ABSENT;
    }
    struct put p = {.name = a.words[0],
                    .region = api_region(&options[REGION]),
                    .key = options[KEY].text,
                    .key_field = options[KEY_FIELD].text,
                    .is_json = options[OUTPUT].is_given && options[OUTPUT].text[0] != 't'};
    if (a.count > 1) {
        for (int i = 1; i < a.count && p.code == EXIT_OK; i++) {
            record_add(&p, str_of(a.words[i]));
        }
        batch_send(&p);
    } else {
        input_put(&p, options[WHOLE].is_given);
    }
    buf_deinit(&p.body);
    if (!p.is_json) {
        (void)fprintf(stderr, "put %lld record%s into %s\n", (long long)p.total,
                      p.total == 1 ? "" : "s", p.name);
    }
    return p.code;
}

/* --- tail
 * --------------------------------------------------------------------------------------------- */

enum form { FORM_TABLE, FORM_JSON, FORM_DATA };

struct tail {
    struct arena arena;
    enum form form;
    bool has_ended;
    str event; /* In `name`. */
    char name[32];
    int code;
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
    (void)putchar('\n');
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

static bool on_line(void *ctx, str line)
{
    struct tail *t = ctx;
    if (str_starts(line, STR("event: "))) {
        str_copy_cstr(str_slice(line, 7, line.len), t->name, (isize)sizeof t->name);
    } else if (str_starts(line, STR("data: "))) {
        str text = str_slice(line, 6, line.len);
        arena_reset(&t->arena);
        if (strcmp(t->name, "record") == 0) {
            record_print(t, text);
        } else if (strcmp(t->name, "end") == 0) {
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

enum { REGION, FROM, WHERE, SHARD, CONSUMER, LIMIT, DATA, OUTPUT };

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
        .on_record = on_record,
        .ctx = t,
    };
    return consumer_tail_run(&tail);
}

static int tail_by_api(struct tail *t, const char *name, const struct option *options)
{
    static const char *const names[] = {"from", "where", "shard", "limit"};
    const int which[] = {FROM, WHERE, SHARD, LIMIT};
    struct buf path = {0};
    api_stream_path(&path, name, "/tail", api_region(&options[REGION]));
    for (int i = 0; i < COUNT_OF(which); i++) {
        if (options[which[i]].is_given) {
            api_param(&path, names[i], str_of(options[which[i]].text));
        }
    }
    int code = api_lines("GET", api_path(&path), STR_EMPTY, on_line, t);
    buf_deinit(&path);
    return code != EXIT_OK ? code : t->code;
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
        [DATA] = {"data", OPTION_FLAG, NULL, "Only the records' bytes, a line feed after each.",
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
    char shard[API_SHARD_ID_BYTES];
    if (options[SHARD].is_given) {
        options[SHARD].text = api_shard_id(options[SHARD].text, shard);
    }
    struct tail t = {0};
    bool is_table = options[OUTPUT].is_given ? options[OUTPUT].text[0] == 't' : os_is_terminal(1);
    t.form = is_table ? FORM_TABLE : FORM_JSON;
    t.form = options[DATA].is_given ? FORM_DATA : t.form;
    os_interrupt_catch();
    int code = options[CONSUMER].is_given ? tail_as_consumer(&t, a.words[0], options)
                                          : tail_by_api(&t, a.words[0], options);
    arena_deinit(&t.arena);
    return code;
}
