/* cli/cmd_import.c: leat stream import (docs/formats/export.md). */
#include "cli/api.h"
#include "cli/byte_source.h"
#include "cli/commands.h"
#include "cli/export_line.h"
#include "cli/kinesis_client.h"
#include "cli/progress.h"
#include "cli/record_put.h"
#include "cli/retry.h"
#include "os/process.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

enum { READ_BYTES = 256 << 10, ERRORS_PRINTED_MAX = 20 };

struct import {
    const char *stream, *region, *path;
    bool skips_bad, is_json;
    i64 from_line;
    struct byte_source *source;
    struct record_put *out; /* NULL: the file is only checked. */
    struct progress progress;
    EVP_MD_CTX *hash; /* Of the export that is read. */
    struct arena arena;
    i64 line, bad;
    i64 head_line; /* Where the export began that has not ended yet; 0 = none. */
    i64 records, section_records;
    i64 shard_count; /* Of the first head. */
    i64 record_kib;  /* The largest that a head names or a record has; 0 = as a new stream's. */
    bool has_lines;  /* That are not blank. */
    bool is_over;
};

/* --- lines that are wrong
 * ----------------------------------------------------------------------------- */

static void bad_line(struct import *m, const char *hint, const char *format, ...) PRINTF(3, 4);
static void bad_line(struct import *m, const char *hint, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    m->bad++;
    if (m->out != NULL) {
        record_put_refuse(m->out, m->line, "%s", message);
    } else if (m->bad <= ERRORS_PRINTED_MAX) {
        progress_clear(&m->progress);
        print_error(m->bad == ERRORS_PRINTED_MAX ? "further ones are only counted" : hint,
                    "%s: line %lld %s", m->path, (long long)m->line, message);
    }
    /* Nothing that comes after it may be put when it is not to be skipped. */
    m->is_over = m->is_over || (m->out != NULL && !m->skips_bad);
}

static void hash_restart(struct import *m)
{
    CHECK(EVP_DigestInit_ex(m->hash, EVP_sha256(), NULL) == 1);
    m->section_records = 0;
}

static void end_check(struct import *m, const struct export_line *end)
{
    u8 digest[EVP_MAX_MD_SIZE];
    char digits[EXPORT_HASH_CHARS + 1];
    unsigned length = 0;
    CHECK(EVP_DigestFinal_ex(m->hash, digest, &length) == 1);
    for (unsigned i = 0; i < length && i < EXPORT_HASH_CHARS / 2; i++) {
        (void)snprintf(digits + (isize)2 * i, 3, "%02x", digest[i]);
    }
    if (m->head_line == 0) {
        bad_line(m, "without its first line it is no whole export: leave this one out, too",
                 "ends an export that has no beginning");
    } else if (end->record_count != m->section_records) {
        bad_line(m, NULL, "says that %lld records come before it, there are %lld",
                 (long long)end->record_count, (long long)m->section_records);
    } else if (!str_eq(end->hash, str_of(digits))) {
        bad_line(m, "a file that was changed on purpose: leave out its first and last line",
                 "does not match: what comes before it was changed since the export");
    }
    m->head_line = 0;
    hash_restart(m);
}

static void head_take(struct import *m, const struct export_line *head)
{
    if (m->head_line != 0) {
        bad_line(m, NULL, "begins an export, but that of line %lld has no end",
                 (long long)m->head_line);
    }
    m->head_line = m->line;
    m->shard_count = m->shard_count == 0 ? head->shard_count : m->shard_count;
    m->record_kib = MAX(m->record_kib, head->record_kib);
}

/* --- reading
 * ------------------------------------------------------------------------------------------ */

/* The limit of the exported stream may have been lowered since the record was put. */
static void record_measure(struct import *m, const struct export_record *record)
{
    isize kib = (record->data.len + record->partition_key.len + 1023) >> 10;
    m->record_kib = MAX(m->record_kib, MIN(kib, RECORD_PUT_BYTES_MAX >> 10));
}

static void line_take(struct import *m, str text)
{
    struct export_line line;
    struct diag diag;
    diag_init(&diag);
    m->line++;
    if (str_trim(text).len == 0) {
        return;
    }
    m->has_lines = true;
    arena_reset(&m->arena);
    err e = export_line_read(&m->arena, text, &line, &diag);
    if (e == OK && line.kind == EXPORT_END) {
        end_check(m, &line);
        return;
    }
    if (e == OK && line.kind == EXPORT_HEAD) {
        head_take(m, &line);
        hash_restart(m);
    }
    CHECK(EVP_DigestUpdate(m->hash, text.data, (size_t)text.len) == 1);
    CHECK(EVP_DigestUpdate(m->hash, "\n", 1) == 1);
    if (e != OK) {
        m->section_records++; /* It stood for one. */
        bad_line(m, diag.hint[0] != '\0' ? diag.hint : NULL, "%s", diag.message);
    } else if (line.kind == EXPORT_RECORD) {
        m->section_records++;
        m->records++;
        record_measure(m, &line.record);
        if (m->out != NULL && m->line >= m->from_line) {
            const struct record_put_record record = {m->line, line.record.partition_key,
                                                     line.record.hash_key, line.record.data};
            record_put_add(m->out, &record);
        }
    }
}

static bool goes_on(const struct import *m)
{
    return !m->is_over && !os_interrupt_is_set() && (m->out == NULL || record_put_goes_on(m->out));
}

/* The lines that are whole. */
static void lines_take(struct import *m, struct buf *text, bool *is_passing)
{
    isize start = 0, end;
    while (goes_on(m) && (end = str_find_byte(buf_str(text), '\n', start)) >= 0) {
        if (!*is_passing) {
            line_take(m, str_slice(buf_str(text), start, end));
        }
        *is_passing = false;
        start = end + 1;
    }
    memmove(text->data, text->data + start, (size_t)(text->len - start));
    text->len -= start;
    if (text->len > EXPORT_LINE_BYTES_MAX) {
        m->line += !*is_passing;
        m->section_records += !*is_passing;
        if (!*is_passing) {
            bad_line(m, NULL, "is longer than %d MiB", EXPORT_LINE_BYTES_MAX >> 20);
        }
        *is_passing = true;
        buf_reset(text);
    }
}

static void progress_tell(struct import *m)
{
    double share = byte_source_share(m->source);
    if (m->out != NULL) {
        record_put_share(m->out, share);
    } else if (progress_is_due(&m->progress)) {
        char bar[PROGRESS_BAR_CHARS];
        progress_show(&m->progress, "%schecking line %lld", progress_bar(share, bar),
                      (long long)m->line);
    }
}

/* From the beginning to the end. False: the input could not be read, which was printed. */
static bool pass(struct import *m)
{
    struct buf text = {0};
    bool is_passing = false, is_good = true;
    m->line = m->bad = m->head_line = m->records = 0;
    hash_restart(m);
    while (is_good && goes_on(m) && !byte_source_at_end(m->source)) {
        is_good = byte_source_read(m->source, READ_BYTES, &text);
        byte_source_forget(m->source, byte_source_offset(m->source));
        lines_take(m, &text, &is_passing);
        progress_tell(m);
    }
    if (is_good && goes_on(m) && text.len > 0 && !is_passing) {
        line_take(m, buf_str(&text));
    }
    if (is_good && goes_on(m) && m->head_line != 0) {
        m->line++;
        bad_line(m, "it is cut off: export it again, or --skip-bad takes what is there",
                 "should be the end of the export that begins at line %lld, but is missing",
                 (long long)m->head_line);
        m->line--; /* There is none yet: it is where one may go on. */
    }
    progress_clear(&m->progress);
    buf_deinit(&text);
    return is_good;
}

/* --- the stream
 * --------------------------------------------------------------------------------------- */

static int summary_ask(const struct import *m, struct aws_client *client, struct arena *arena,
                       const struct json_value **out)
{
    struct buf body = {0};
    buf_append_byte(&body, '{');
    api_member(&body, "StreamName", str_of(m->stream));
    buf_append_byte(&body, '}');
    int code = kinesis_call(client, arena, "DescribeStreamSummary", buf_str(&body), out);
    *out = json_get(*out, STR("StreamDescriptionSummary"));
    buf_deinit(&body);
    return code;
}

/* It takes the records that the one which was exported took. */
static int record_kib_set(const struct import *m, struct aws_client *client, struct arena *arena,
                          const struct json_value *summary)
{
    struct buf body = {0};
    const struct json_value *answer;
    if (m->record_kib <= json_get_i64(summary, STR("MaxRecordSizeInKiB"), 0)) {
        return EXIT_OK;
    }
    buf_append_byte(&body, '{');
    api_member(&body, "StreamARN", json_get_text(summary, STR("StreamARN")));
    buf_printf(&body, ",\"MaxRecordSizeInKiB\":%lld}", (long long)m->record_kib);
    int code = kinesis_call(client, arena, "UpdateMaxRecordSize", buf_str(&body), &answer);
    buf_deinit(&body);
    return code;
}

static int make_ready(const struct import *m)
{
    struct retry retry = {0};
    struct aws_client *client = kinesis_client_new(m->region);
    struct arena arena = {0};
    const struct json_value *summary = NULL;
    int code;
    do {
        code = summary_ask(m, client, &arena, &summary);
    } while (code == EXIT_OK &&
             str_eq(json_get_text(summary, STR("StreamStatus")), STR("CREATING")) &&
             retry_pause(&retry));
    if (code == EXIT_OK) {
        code = record_kib_set(m, client, &arena, summary);
    }
    arena_deinit(&arena);
    aws_client_free(client);
    return code;
}

static int create(const struct import *m)
{
    struct arena arena = {0};
    struct buf body = {0};
    str answer;
    buf_append_byte(&body, '{');
    api_member(&body, "name", str_of(m->stream));
    api_member(&body, "region", str_of(m->region));
    if (m->shard_count > 0) {
        buf_printf(&body, ",\"shards\":%lld", (long long)m->shard_count);
    }
    buf_append_byte(&body, '}');
    int code = api_call(&arena, "POST", "/_leat/api/streams", buf_str(&body), &answer);
    buf_deinit(&body);
    arena_deinit(&arena);
    return code == EXIT_OK ? make_ready(m) : code;
}

/* Is it there? Asked before a long file is read. */
static int find(const struct import *m)
{
    struct arena arena = {0};
    struct buf path = {0};
    str answer;
    api_stream_path(&path, m->stream, "/shards", m->region);
    int code = api_call(&arena, "GET", api_path(&path), STR_EMPTY, &answer);
    buf_deinit(&path);
    arena_deinit(&arena);
    return code;
}

/* --- the command
 * -------------------------------------------------------------------------------------- */

/* A file is read twice: nothing is put, and no stream made, of one that is damaged. */
static int check(struct import *m)
{
    progress_init(&m->progress);
    if (!pass(m)) {
        return EXIT_FAILED;
    }
    if (os_interrupt_is_set()) {
        return EXIT_INTERRUPTED;
    }
    if (m->bad > 0 && !m->skips_bad) {
        print_error("--skip-bad puts the others",
                    "nothing was imported: %lld line%s of %s cannot be", (long long)m->bad,
                    m->bad == 1 ? "" : "s", m->path);
        return EXIT_FAILED;
    }
    return byte_source_seek(m->source, 0) ? EXIT_OK : EXIT_FAILED;
}

/* Of standard input only its beginning can be looked at. */
static int peek(struct import *m)
{
    struct buf text = {0};
    bool is_good = true;
    while (is_good && !m->has_lines && text.len < READ_BYTES && !byte_source_at_end(m->source)) {
        is_good = byte_source_read(m->source, READ_BYTES, &text);
        m->has_lines = str_trim(buf_str(&text)).len > 0;
    }
    buf_deinit(&text);
    return is_good && byte_source_seek(m->source, 0) ? EXIT_OK : EXIT_FAILED;
}

static int look(struct import *m, bool is_stdin, bool creates)
{
    int code = !is_stdin ? check(m) : creates ? peek(m) : EXIT_OK;
    m->record_kib = is_stdin ? RECORD_PUT_BYTES_MAX >> 10 : m->record_kib; /* Not known yet. */
    if (code == EXIT_OK && creates && !m->has_lines) {
        print_error("an export has a first and a last line also without records",
                    "%s is empty: no stream was made", is_stdin ? "standard input" : m->path);
        return EXIT_FAILED;
    }
    return code;
}

static int put(struct import *m)
{
    const struct record_put_options out = {.stream = m->stream,
                                           .region = m->region,
                                           .noun = "line",
                                           .resume = "--from-line",
                                           .is_json = m->is_json};
    m->out = record_put_new(&out);
    if (!pass(m)) {
        record_put_stop(m->out, EXIT_FAILED);
    } else if (m->is_over) {
        record_put_flush(m->out);
        record_put_stop(m->out, EXIT_FAILED);
    }
    i64 last = m->line;
    int code = record_put_end(m->out, last);
    record_put_free(m->out);
    return code;
}

enum { REGION, CREATE, SKIP_BAD, FROM_LINE, OUTPUT };

static int run(struct import *m, bool creates)
{
    bool is_stdin = strcmp(m->path, "-") == 0;
    int code = creates ? EXIT_OK : find(m);
    if (code != EXIT_OK) {
        return code;
    }
    struct os_stat stat;
    if (!is_stdin && os_stat_path(os_real(), m->path, &stat) == OK && stat.kind == OS_DIR) {
        print_error("leat stream import NAME DIR/NAME.jsonl.zst", "%s is a directory", m->path);
        return EXIT_USAGE;
    }
    m->source = byte_source_open(m->path);
    if (m->source == NULL) {
        return EXIT_ABSENT;
    }
    m->hash = EVP_MD_CTX_new();
    CHECK(m->hash != NULL);
    os_interrupt_catch();
    code = look(m, is_stdin, creates);
    if (code == EXIT_OK && creates) {
        code = create(m);
    }
    if (code == EXIT_OK) {
        code = put(m);
    }
    EVP_MD_CTX_free(m->hash);
    byte_source_free(m->source);
    arena_deinit(&m->arena);
    return code;
}

int cmd_stream_import(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [CREATE] = {"create", OPTION_FLAG, NULL,
                    "Make the stream, with as many shards as were open.", NULL, 0, false},
        [SKIP_BAD] = {"skip-bad", OPTION_FLAG, NULL, "Put what is good of a damaged file.", NULL, 0,
                      false},
        [FROM_LINE] = {"from-line", OPTION_NUMBER, "N", "Records from this line on (1).", NULL, 1,
                       false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|ndjson",
                    "json: shard and sequence number of each, a line per request.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream import"), options, argc, argv, words, &a) ||
        !arguments_exactly("stream import", 2, &a)) {
        return EXIT_USAGE;
    }
    if (options[FROM_LINE].number < 1) {
        print_error(NULL, "--from-line takes a whole number from 1 on");
        return EXIT_USAGE;
    }
    struct import m = {
        .stream = a.words[0],
        .region = api_region(&options[REGION]),
        .path = a.words[1],
        .skips_bad = options[SKIP_BAD].is_given,
        .is_json = options[OUTPUT].is_given && options[OUTPUT].text[0] != 't',
        .from_line = options[FROM_LINE].number,
    };
    return run(&m, options[CREATE].is_given);
}
