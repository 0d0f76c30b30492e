/* cli/cmd_export.c: leat stream export (docs/formats/export.md). */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/export_file.h"
#include "cli/export_line.h"
#include "cli/kinesis_client.h"
#include "cli/progress.h"
#include "cli/retry.h"
#include "codec/base64.h"
#include "engine/engine.h"
#include "os/process.h"
#include "stream/stream.h"

#include <openssl/evp.h>
#include <stdio.h>

enum { PATH_BYTES = 4096, DIGEST_BYTES = EXPORT_HASH_CHARS / 2 };

struct export
{
    const char *stream, *region, *path;
    bool has_from, has_to;
    i64 from_ms, to_ms;
    struct aws_client *client;
    struct export_file *file;
    EVP_MD_CTX *hash;
    struct buf lines;
    struct retry retry;
    struct progress progress;
    isize shard_count, shard_at;
    double share; /* Of the shard that is read. */
    i64 records;
    bool is_away;
    int code;
};

struct shard {
    str id;
    u128 hash_first, hash_last;
    str hash_first_text;
    u64 next_no;      /* When the export began: it ends before. */
    u64 first_no, no; /* That was read first, and of the next one; first: UINT64_MAX before that. */
    char last[STREAM_SEQUENCE_DIGITS + 1]; /* Sequence number; empty before the first. */
    char iterator[2048];                   /* Empty: to be asked for. */
    bool is_done;
};

static bool fail(struct export *x, int code, const struct diag *diag)
{
    progress_clear(&x->progress);
    print_error(diag->hint[0] != '\0' ? diag->hint : NULL, "%s", diag->message);
    x->code = code;
    return false;
}

static bool lines_send(struct export *x)
{
    struct diag diag;
    diag_init(&diag);
    CHECK(EVP_DigestUpdate(x->hash, x->lines.data, (size_t)x->lines.len) == 1);
    err e = export_file_write(x->file, buf_str(&x->lines), &diag);
    buf_reset(&x->lines);
    return e == OK ? true : fail(x, EXIT_FAILED, &diag);
}

/* --- asking the server
 * -------------------------------------------------------------------------------- */

/* NULL: it is to be asked again, or x->code says what went wrong. */
static const struct json_value *ask(struct export *x, struct arena *arena, const char *operation,
                                    str body)
{
    struct diag diag;
    diag_init(&diag);
    struct http_client_response answer;
    struct aws_client_request request = kinesis_request(arena, operation, body);
    request.is_cancelled = os_interrupt_is_set;
    err e = aws_client_call(x->client, &request, arena, &answer, &diag);
    if (os_interrupt_is_set()) {
        x->code = EXIT_INTERRUPTED;
        return NULL;
    }
    if (e == OK && answer.status == 200) {
        x->is_away = false;
        retry_reset(&x->retry);
        return json_parse_request(arena, answer.body);
    }
    const struct json_value *wrong = e == OK ? json_parse_request(arena, answer.body) : NULL;
    str type = json_get_text(wrong, STR("__type"));
    bool is_passing = e != OK || answer.status >= 500 ||
                      str_eq(type, STR("ProvisionedThroughputExceededException")) ||
                      str_eq(type, STR("ExpiredIteratorException")) ||
                      str_eq(type, STR("LimitExceededException"));
    if (e != OK && !x->is_away) {
        progress_clear(&x->progress);
        print_note("the server at %s is away, waiting for it", api_endpoint());
        x->is_away = true;
    }
    if (!is_passing || !retry_pause(&x->retry)) {
        progress_clear(&x->progress);
        x->code = os_interrupt_is_set() ? EXIT_INTERRUPTED
                  : e != OK             ? api_unreachable(&diag)
                                        : kinesis_failed(arena, answer.status, answer.body);
    }
    return NULL;
}

static void iterator_ask(struct export *x, struct arena *arena, struct shard *shard)
{
    struct buf body = {0};
    buf_append_byte(&body, '{');
    api_member(&body, "StreamName", str_of(x->stream));
    api_member(&body, "ShardId", shard->id);
    if (shard->last[0] != '\0') {
        api_member(&body, "ShardIteratorType", STR("AFTER_SEQUENCE_NUMBER"));
        api_member(&body, "StartingSequenceNumber", str_of(shard->last));
    } else if (x->has_from) {
        api_member(&body, "ShardIteratorType", STR("AT_TIMESTAMP"));
        buf_printf(&body, ",\"Timestamp\":%lld.%03d", (long long)(x->from_ms / 1000),
                   (int)(x->from_ms % 1000));
    } else {
        api_member(&body, "ShardIteratorType", STR("TRIM_HORIZON"));
    }
    buf_append_byte(&body, '}');
    const struct json_value *answer = ask(x, arena, "GetShardIterator", buf_str(&body));
    str_copy_cstr(json_get_text(answer, STR("ShardIterator")), shard->iterator,
                  (isize)sizeof shard->iterator);
    buf_deinit(&body);
}

/* --- records
 * ------------------------------------------------------------------------------------------ */

static bool malformed(struct export *x)
{
    progress_clear(&x->progress);
    print_error(NULL, "the server's answer to GetRecords cannot be read");
    x->code = EXIT_REMOTE;
    return false;
}

static bool record_take(struct export *x, struct arena *arena, struct shard *shard,
                        const struct json_value *record)
{
    str sequence = json_get_text(record, STR("SequenceNumber"));
    str encoded = json_get_text(record, STR("Data"));
    struct stream_sequence at;
    double arrival_s = 0;
    isize bytes = base64_decoded_bytes(encoded);
    if (stream_sequence_parse(sequence, &at) != OK || bytes < 0 ||
        str_to_f64(json_text(json_get(record, STR("ApproximateArrivalTimestamp"))), &arrival_s) !=
            OK) {
        return malformed(x);
    }
    shard->first_no = MIN(shard->first_no, at.index);
    if (at.index >= shard->next_no) {
        shard->is_done = true;
        return true;
    }
    shard->no = at.index + 1;
    shard->is_done = shard->no == shard->next_no;
    str_copy_cstr(sequence, shard->last, (isize)sizeof shard->last);
    i64 arrival_ms = (i64)(arrival_s * 1000 + 0.5);
    if ((x->has_to && arrival_ms > x->to_ms) || (x->has_from && arrival_ms < x->from_ms)) {
        return true;
    }
    u8 *data = arena_alloc(arena, bytes + 1);
    if (base64_decode(encoded, data, &bytes) != OK) {
        return malformed(x);
    }
    struct export_record line = {
        .shard_id = shard->id,
        .sequence_number = sequence,
        .arrival_ms = arrival_ms,
        .partition_key = json_get_text(record, STR("PartitionKey")),
        .data = str_from(data, bytes),
    };
    u128 hash = stream_hash_key(line.partition_key);
    if (hash < shard->hash_first || hash > shard->hash_last) {
        line.hash_key = shard->hash_first_text; /* Only an explicit hash key led here. */
    }
    export_record_write(&x->lines, &line);
    x->records++;
    return true;
}

/* One GetRecords. */
static void piece_read(struct export *x, struct arena *arena, struct shard *shard)
{
    struct buf body = {0};
    buf_append_byte(&body, '{');
    api_member(&body, "ShardIterator", str_of(shard->iterator));
    buf_append(&body, STR(",\"Limit\":10000}"));
    const struct json_value *answer = ask(x, arena, "GetRecords", buf_str(&body));
    buf_deinit(&body);
    shard->iterator[0] = '\0';
    if (answer == NULL) {
        return;
    }
    const struct json_value *record = json_first(json_get(answer, STR("Records")));
    str next = json_get_text(answer, STR("NextShardIterator"));
    bool is_at_tip = record == NULL && json_get_i64(answer, STR("MillisBehindLatest"), 0) == 0;
    for (; record != NULL && !shard->is_done; record = json_next(record)) {
        if (!record_take(x, arena, shard, record)) {
            return;
        }
    }
    shard->is_done = shard->is_done || next.len == 0 || is_at_tip;
    str_copy_cstr(next, shard->iterator, (isize)sizeof shard->iterator);
    (void)lines_send(x);
}

static void progress_tell(struct export *x, const struct shard *shard)
{
    if (progress_is_due(&x->progress)) {
        char bar[PROGRESS_BAR_CHARS], bytes[PROGRESS_BYTES_CHARS];
        double part =
            shard->no > 0 && shard->next_no > shard->first_no
                ? (double)(shard->no - shard->first_no) / (double)(shard->next_no - shard->first_no)
                : 0;
        double share = ((double)x->shard_at + part) / (double)x->shard_count;
        progress_show(&x->progress, "%s%lld records, %s", progress_bar(share, bar),
                      (long long)x->records, progress_bytes(export_file_bytes(x->file), bytes));
    }
}

static bool shard_read(struct export *x, const struct json_value *about)
{
    struct shard shard = {.id = json_get_text(about, STR("shard_id")),
                          .hash_first_text = json_get_text(about, STR("hash_first")),
                          .first_no = UINT64_MAX};
    if (stream_hash_parse(shard.hash_first_text, &shard.hash_first) != OK ||
        stream_hash_parse(json_get_text(about, STR("hash_last")), &shard.hash_last) != OK ||
        str_to_u64(json_get_text(about, STR("next_record_no")), &shard.next_no) != OK) {
        return malformed(x);
    }
    struct arena arena = {0};
    shard.is_done = shard.next_no == 0;
    while (!shard.is_done && x->code == EXIT_OK) {
        arena_reset(&arena);
        if (shard.iterator[0] == '\0') {
            iterator_ask(x, &arena, &shard);
        }
        if (shard.iterator[0] != '\0' && x->code == EXIT_OK) {
            piece_read(x, &arena, &shard);
        }
        progress_tell(x, &shard);
    }
    arena_deinit(&arena);
    return x->code == EXIT_OK;
}

/* --- the whole
 * ---------------------------------------------------------------------------------------- */

/* 0: x->code says why not. */
static i64 record_kib_ask(struct export *x)
{
    struct arena arena = {0};
    struct buf body = {0};
    const struct json_value *answer = NULL;
    buf_append_byte(&body, '{');
    api_member(&body, "StreamName", str_of(x->stream));
    buf_append_byte(&body, '}');
    while (answer == NULL && x->code == EXIT_OK) {
        answer = ask(x, &arena, "DescribeStreamSummary", buf_str(&body));
    }
    i64 kib = json_get_i64(json_get(answer, STR("StreamDescriptionSummary")),
                           STR("MaxRecordSizeInKiB"), 0);
    buf_deinit(&body);
    arena_deinit(&arena);
    return kib;
}

static bool head_send(struct export *x, const struct json_value *stream)
{
    struct buf shards = {0};
    i64 record_kib = record_kib_ask(x);
    if (x->code != EXIT_OK) {
        return false;
    }
    api_put_json(&shards, json_get(stream, STR("shards")));
    struct export_head head = {
        .stream = str_of(x->stream),
        .region = str_of(x->region),
        .at_ms = os_wall_us(os_real()) / 1000,
        .shard_count = json_get_i64(stream, STR("open_shard_count"), 0),
        .record_kib = record_kib,
        .shards = buf_str(&shards),
    };
    export_head_write(&x->lines, &head);
    buf_deinit(&shards);
    return lines_send(x);
}

static bool end_send(struct export *x)
{
    u8 digest[EVP_MAX_MD_SIZE];
    char digits[EXPORT_HASH_CHARS + 1];
    unsigned length = 0;
    CHECK(EVP_DigestFinal_ex(x->hash, digest, &length) == 1);
    CHECK(length == DIGEST_BYTES);
    for (int i = 0; i < DIGEST_BYTES; i++) {
        (void)snprintf(digits + (isize)2 * i, 3, "%02x", digest[i]);
    }
    CHECK(EVP_DigestInit_ex(x->hash, EVP_sha256(), NULL) == 1);
    export_end_write(&x->lines, x->records, str_of(digits));
    struct diag diag;
    diag_init(&diag);
    return lines_send(x) &&
           (export_file_finish(x->file, &diag) == OK || fail(x, EXIT_FAILED, &diag));
}

/* Parents have smaller numbers than their children: the order of the list is that of the records of
 * a key. */
static void shards_read(struct export *x, const struct json_value *stream)
{
    const struct json_value *shards = json_get(stream, STR("shards"));
    x->shard_count = json_count(shards);
    if (!head_send(x, stream)) {
        return;
    }
    const struct json_value *shard = json_first(shards);
    for (; shard != NULL && shard_read(x, shard); shard = json_next(shard)) {
        x->shard_at++;
    }
    if (x->code == EXIT_OK) {
        (void)end_send(x);
    }
}

static void summary_print(struct export *x, bool is_json)
{
    char bytes[PROGRESS_BYTES_CHARS];
    bool is_stdout = strcmp(x->path, "-") == 0;
    progress_clear(&x->progress);
    if (x->code == EXIT_INTERRUPTED && !is_stdout) {
        print_note("interrupted: %s was not written", x->path);
    } else if (x->code == EXIT_OK && is_json) {
        struct buf out = {0};
        buf_append_byte(&out, '{');
        api_member(&out, "stream", str_of(x->stream));
        api_member(&out, "file", str_of(x->path));
        buf_printf(&out, ",\"shards\":%td,\"records\":%lld,\"bytes\":%llu}\n", x->shard_count,
                   (long long)x->records, (unsigned long long)export_file_bytes(x->file));
        (void)fwrite(out.data, 1, (size_t)out.len, is_stdout ? stderr : stdout);
        buf_deinit(&out);
    } else if (x->code == EXIT_OK) {
        (void)fprintf(stderr, "exported %lld record%s of %td shard%s of %s to %s (%s)\n",
                      (long long)x->records, x->records == 1 ? "" : "s", x->shard_count,
                      x->shard_count == 1 ? "" : "s", x->stream,
                      is_stdout ? "standard output" : x->path,
                      progress_bytes(export_file_bytes(x->file), bytes));
    }
}

enum { REGION, FROM, TO, OVERWRITE, OUTPUT };

static int run(struct export *x, const struct option *o)
{
    struct arena arena = {0};
    struct buf path = {0};
    const struct json_value *stream = NULL;
    struct diag diag;
    diag_init(&diag);
    api_stream_path(&path, x->stream, "/shards", x->region);
    x->code = api_json(&arena, "GET", api_path(&path), STR_EMPTY, &stream);
    if (x->code == EXIT_OK &&
        export_file_open(x->path, o[OVERWRITE].is_given, &x->file, &diag) != OK) {
        (void)fail(x, EXIT_FAILED, &diag);
    }
    if (x->code == EXIT_OK) {
        x->client = kinesis_client_new(x->region);
        x->hash = EVP_MD_CTX_new();
        CHECK(x->hash != NULL && EVP_DigestInit_ex(x->hash, EVP_sha256(), NULL) == 1);
        progress_init(&x->progress);
        os_interrupt_catch();
        os_sigpipe_ignore(); /* A reader that goes away is told of. */
        shards_read(x, stream);
        summary_print(x, option_is_json(&o[OUTPUT]));
        EVP_MD_CTX_free(x->hash);
        aws_client_free(x->client);
    }
    export_file_free(x->file);
    buf_deinit(&x->lines);
    buf_deinit(&path);
    arena_deinit(&arena);
    return x->code;
}

static bool time_read(const struct option *option, bool *has_out, i64 *out)
{
    struct diag diag;
    diag_init(&diag);
    bool is_start = strcmp(option->name, "from") == 0;
    if (!option->is_given || (is_start && strcmp(option->text, "trim-horizon") == 0)) {
        return true;
    }
    if (engine_time_parse(str_of(option->text), out, &diag) != OK) {
        print_error("a time is UTC: 2026-11-24T01:02:03", "--%s is a time%s, not \"%s\"",
                    option->name, is_start ? " or trim-horizon" : "", option->text);
        return false;
    }
    *has_out = true;
    return true;
}

int cmd_stream_export(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [FROM] = {"from", OPTION_TEXT, "WHERE", "trim-horizon, or a UTC time (trim-horizon).", NULL,
                  0, false},
        [TO] = {"to", OPTION_TEXT, "TIME", "No records that arrived after it (what is there now).",
                NULL, 0, false},
        [OVERWRITE] = {"overwrite", OPTION_FLAG, NULL, "Replace a file that is there.", NULL, 0,
                       false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: what was written, an object.", NULL,
                    0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    struct export x = {0};
    char path[PATH_BYTES];
    if (!options_parse(command_get("stream export"), options, argc, argv, words, &a) ||
        !arguments_exactly("stream export", 2, &a) ||
        !time_read(&options[FROM], &x.has_from, &x.from_ms) ||
        !time_read(&options[TO], &x.has_to, &x.to_ms)) {
        return EXIT_USAGE;
    }
    struct os_stat stat;
    x.stream = a.words[0];
    x.region = api_region(&options[REGION]);
    x.path = a.words[1];
    if (strcmp(x.path, "-") != 0 && os_stat_path(os_real(), x.path, &stat) == OK &&
        stat.kind == OS_DIR) {
        (void)snprintf(path, sizeof path, "%s/%s.jsonl.zst", x.path, x.stream);
        x.path = path;
    }
    return run(&x, options);
}
