/* cli/cmd_generate.c: synthetic rows of US-Accidents (docs/generator.md). */
#include "cli/commands.h"
#include "cli/options.h"
#include "feed/generate.h"

#include <stdio.h>

enum { FLUSH_BYTES = 1 << 20, PPM = 1000000 };

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
    feed_generate_header(generator, &out);
    for (u64 i = 0; i < options->rows && is_written; i++) {
        feed_generate_row(generator, i, &out);
        if (out.len >= FLUSH_BYTES) {
            is_written = flush_to(file, &out);
        }
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

int cmd_generate(int argc, char **argv)
{
    enum { ROWS, SEED, LAYOUT, ORDER, DIRTY, OUT };
    static const struct command command = {"generate", "us-accidents",
                                           "Write synthetic rows as CSV.", cmd_generate, false};
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
        [OUT] = {"out", OPTION_TEXT, "FILE", "Where to (standard output).", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    if (a.count != 1 || strcmp(a.words[0], "us-accidents") != 0) {
        print_error("leat generate us-accidents --rows 1000", "the only data set is us-accidents");
        return EXIT_USAGE;
    }
    i64 layout = options[LAYOUT].number, rows = options[ROWS].number, dirty = options[DIRTY].number;
    bool is_layout = layout == 46 || layout == 47 || layout == 49;
    if (!is_layout || rows < 0 || dirty < 0 || dirty > PPM) {
        print_error(NULL, "--layout is 46, 47 or 49, --rows at least 0, --dirty 0 to 1000000");
        return EXIT_USAGE;
    }
    struct feed_options feed = {.seed = (u64)options[SEED].number,
                                .rows = (u64)rows,
                                .layout = (enum feed_layout)layout,
                                .dirty_ppm = (u32)dirty};
    if (!order_parse(options[ORDER].text, &feed.order)) {
        return EXIT_USAGE;
    }
    FILE *file = options[OUT].text == NULL ? stdout : fopen(options[OUT].text, "we");
    if (file == NULL) {
        print_error(NULL, "cannot write %s", options[OUT].text);
        return EXIT_FAILED;
    }
    int code = write_rows(&feed, file);
    if (file != stdout && fclose(file) != 0 && code == EXIT_OK) {
        print_error(NULL, "the rows cannot be written");
        code = EXIT_FAILED;
    }
    return code;
}
