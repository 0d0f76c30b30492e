/* cli/cmd_generate.c: synthetic rows of US-Accidents (docs/generator.md). */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/replay_client.h"
#include "cli/s3_upload.h"
#include "feed/aws_client.h"
#include "feed/generate.h"

#include <stdio.h>

enum { ROWS, SEED, LAYOUT, ORDER, DIRTY, OUT, STREAM, RATE, REGION, OUTPUT };
enum { FLUSH_BYTES = 1 << 20, PPM = 1000000, NAME_BYTES = 256, SHOWN_ROWS = 200000 };

static bool order_parse(const char *text, enum feed_order *out)
{
    static const char *const names[] = {"file", "sorted", "shuffled"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum feed_order)i;
            return true;
        }
    }
    print_error(NULL, "--order is file, sorted or shuffled, not \"%s\"", text);
    return false;
}

static bool flush_to(FILE *file, struct buf *out)
{
    bool is_written = fwrite(out->data, 1, (size_t)out->len, file) == (size_t)out->len;
    buf_reset(out);
    return is_written;
}

static int write_rows(const struct feed_options *options, FILE *file)
{
    struct feed_generator *generator = feed_generator_new(options);
    struct buf out = {0};
    bool is_written = true;
    bool is_shown = os_is_terminal(2) && !os_is_terminal(1);
    feed_generate_header(generator, &out);
    for (u64 i = 0; i < options->rows && is_written; i++) {
        feed_generate_row(generator, i, &out);
        if (out.len >= FLUSH_BYTES) {
            is_written = flush_to(file, &out);
        }
        if (is_shown && i > 0 && i % SHOWN_ROWS == 0) {
            (void)fprintf(stderr, "\r%5.1f%% %llu rows\033[K",
                          (double)i * 100 / (double)options->rows, (unsigned long long)i);
        }
    }
    if (is_shown && options->rows > SHOWN_ROWS) {
        (void)fprintf(stderr, "\r%llu rows\033[K\n", (unsigned long long)options->rows);
    }
    is_written = is_written && flush_to(file, &out) && fflush(file) == 0;
    buf_deinit(&out);
    feed_generator_free(generator);
    if (!is_written) {
        print_error(NULL, "the rows cannot be written");
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int rows_to_file(const struct feed_options *feed, const char *path)
{
    FILE *file = path == NULL ? stdout : fopen(path, "we");
    if (file == NULL) {
        print_error(NULL, "cannot write %s", path);
        return EXIT_FAILED;
    }
    int code = write_rows(feed, file);
    if (file != stdout && fclose(file) != 0 && code == EXIT_OK) {
        print_error(NULL, "the rows cannot be written");
        code = EXIT_FAILED;
    }
    return code;
}

static int rows_to_object(const struct feed_options *feed, const char *url, const char *region)
{
    str bucket, key;
    if (!aws_s3_url_split(str_of(url), &bucket, &key) || bucket.len == 0 || key.len == 0) {
        print_error("an object is s3://bucket/key", "\"%s\" names no object", url);
        return EXIT_USAGE;
    }
    struct byte_source *source = byte_source_generate(feed);
    int code = s3_upload(api_endpoint(), region, bucket, key, source);
    byte_source_free(source);
    return code;
}

/* As a replay of the rows: exactly once, whatever is interrupted. */
static int rows_to_stream(const struct feed_options *feed, const struct option *o, i64 rate)
{
    char name[NAME_BYTES];
    (void)snprintf(name, sizeof name, "generate:us-accidents:%llu:%llu:%d:%d:%u",
                   (unsigned long long)feed->seed, (unsigned long long)feed->rows,
                   (int)feed->layout, (int)feed->order, feed->dirty_ppm);
    struct replay_request request = {.source = byte_source_generate(feed),
                                     .name = name,
                                     .stream = o[STREAM].text,
                                     .region = api_region(&o[REGION]),
                                     .partition_key = "Severity",
                                     .rate = rate,
                                     .passes = 1,
                                     .is_json = option_is_json(&o[OUTPUT])};
    int code = replay_follow(&request);
    byte_source_free(request.source);
    return code;
}

static bool feed_make(const struct option *o, struct feed_options *out)
{
    i64 layout = o[LAYOUT].number, rows = o[ROWS].number, dirty = o[DIRTY].number;
    bool is_layout = layout == 46 || layout == 47 || layout == 49;
    if (!is_layout || rows < 0 || dirty < 0 || dirty > PPM) {
        print_error(NULL, "--layout is 46, 47 or 49, --rows at least 0, --dirty 0 to 1000000");
        return false;
    }
    *out = (struct feed_options){.seed = (u64)o[SEED].number,
                                 .rows = (u64)rows,
                                 .layout = (enum feed_layout)layout,
                                 .dirty_ppm = (u32)dirty};
    return order_parse(o[ORDER].text, &out->order);
}

static void written_print(const struct feed_options *feed, const char *out, bool is_json)
{
    if (!is_json) {
        (void)fprintf(stderr, "%llu rows in %s\n", (unsigned long long)feed->rows, out);
        return;
    }
    struct buf text = {0};
    buf_printf(&text, "{\"rows\":%llu,\"out\":", (unsigned long long)feed->rows);
    json_write_string(&text, str_of(out));
    (void)printf(STR_FMT "}\n", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
}

static int rows_write(const struct option *o, const struct feed_options *feed)
{
    const char *out = o[OUT].text;
    if (o[STREAM].is_given && out != NULL) {
        print_error(NULL, "the rows go to --out or to --stream, not to both");
        return EXIT_USAGE;
    }
    if (o[STREAM].is_given) {
        i64 rate;
        return replay_rate_parse(o[RATE].text, &rate) ? rows_to_stream(feed, o, rate) : EXIT_USAGE;
    }
    if (o[RATE].is_given) {
        print_error(NULL, "--rate goes with --stream");
        return EXIT_USAGE;
    }
    if (option_is_json(&o[OUTPUT]) && out == NULL) {
        print_error("leat generate us-accidents --out FILE", "the rows are CSV, not JSON");
        return EXIT_USAGE;
    }
    bool is_object = out != NULL && str_starts(str_of(out), STR("s3://"));
    int code =
        is_object ? rows_to_object(feed, out, api_region(&o[REGION])) : rows_to_file(feed, out);
    if (code == EXIT_OK && out != NULL) {
        written_print(feed, out, option_is_json(&o[OUTPUT]));
    }
    return code;
}

int cmd_generate(int argc, char **argv)
{
    struct option options[] = {
        [ROWS] = {"rows", OPTION_NUMBER, "N", "How many (1000).", NULL, 1000, false},
        [SEED] = {"seed", OPTION_NUMBER, "S", "The same seed gives the same rows (1).", NULL, 1,
                  false},
        [LAYOUT] = {"layout", OPTION_NUMBER, "N",
                    "46, 47 or 49 columns (47: the founding table's).", NULL, 47, false},
        [ORDER] = {"order", OPTION_TEXT, "ORDER", "file, sorted or shuffled (file).", "file", 0,
                   false},
        [DIRTY] = {"dirty", OPTION_NUMBER, "PPM", "Rows with one kind of dirt, of a million (0).",
                   NULL, 0, false},
        [OUT] = {"out", OPTION_TEXT, "FILE", "A file or s3://bucket/key (standard output).", NULL,
                 0, false},
        [STREAM] = {"stream", OPTION_TEXT, "NAME", "Into a stream instead, as leat replay does.",
                    NULL, 0, false},
        [RATE] = {"rate", OPTION_TEXT, "N/s", "Rows a second into the stream (unlimited).",
                  "unlimited", 0, false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [OUTPUT] = {"output", OPTION_TEXT, "text|json",
                    "json: one object; with --stream as the API answers.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    struct feed_options feed;
    if (argc > WORDS_MAX ||
        !options_parse(command_get("generate"), options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    if (a.count != 1 || strcmp(a.words[0], "us-accidents") != 0) {
        print_error("leat generate us-accidents --rows 1000", "the only data set is us-accidents");
        return EXIT_USAGE;
    }
    return feed_make(options, &feed) ? rows_write(options, &feed) : EXIT_USAGE;
}
