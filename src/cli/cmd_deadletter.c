/* cli/cmd_deadletter.c: leat deadletter list, show, redrive. */
#include "cli/api.h"
#include "cli/commands.h"

#include <stdio.h>

enum { LIST_MAX = 1000 };

static const struct option output_option = {
    "output", OPTION_TEXT, "table|json", "json: as the API answers.", NULL, 0, false};
static const struct option region_option = {
    "region", OPTION_TEXT, "R", "Only this region; all regions else.", NULL, 0, false};
static const struct option job_option = {"job", OPTION_TEXT, "ID", "Only of this job.",
                                         NULL,  0,           false};

static void line_print(const struct json_value *letter)
{
    str field = json_get_text(letter, STR("field"));
    (void)printf("%-10.*s ", STR_ARG(json_get_text(letter, STR("id"))));
    print_time_ms(json_get_i64(letter, STR("at_ms"), 0));
    (void)printf("  %-8.*s %-9s ", STR_ARG(json_get_text(letter, STR("job"))),
                 json_get_bool(letter, STR("redriven"), false) ? "redriven" : "");
    print_plain(json_get_text(letter, STR("stream")), true);
    (void)fputs(field.len > 0 ? ": field " : ": ", stdout);
    print_plain(field, true);
    (void)fputs(field.len > 0 ? ": " : "", stdout);
    print_plain(json_get_text(letter, STR("reason")), true);
    (void)putchar('\n');
}

static void list_print(const struct json_value *answer, const void *ctx)
{
    (void)ctx;
    const struct json_value *letter = json_first(json_get(answer, STR("dead_letters")));
    str last = STR_EMPTY;
    if (letter == NULL) {
        (void)puts("no dead letters");
    }
    for (; letter != NULL; letter = json_next(letter)) {
        line_print(letter);
        last = json_get_text(letter, STR("id"));
    }
    if (json_get_bool(answer, STR("more"), false)) {
        (void)fprintf(stderr, "more: leat deadletter list --after " STR_FMT "\n", STR_ARG(last));
    }
}

int cmd_deadletter_list(int argc, char **argv)
{
    enum { REGION, JOB, AFTER, LIMIT, OUTPUT };
    struct option options[] = {
        [REGION] = region_option,
        [JOB] = job_option,
        [AFTER] = {"after", OPTION_NUMBER, "ID", "Only those after this one.", NULL, 0, false},
        [LIMIT] = {"limit", OPTION_NUMBER, "N", "The first N, at most 1000 (100).", NULL, 0, false},
        [OUTPUT] = output_option,
        {.name = NULL},
    };
    static const char *const names[] = {"region", "job", "after", "limit"};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("deadletter list"), options, argc, argv, words, &a) ||
        !arguments_none("deadletter list", &a)) {
        return EXIT_USAGE;
    }
    i64 limit = options[LIMIT].number;
    if (options[LIMIT].is_given && (limit < 1 || limit > LIST_MAX)) {
        print_error(NULL, "--limit is 1 to %d", LIST_MAX);
        return EXIT_USAGE;
    }
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/deadletters"));
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (options[i].is_given) {
            api_param(&path, names[i], str_of(options[i].text));
        }
    }
    return api_show("GET", &path, STR_EMPTY, &options[OUTPUT], list_print, NULL);
}

static void letter_print(const struct json_value *letter)
{
    static const char *const names[] = {"region",        "job",      "table",
                                        "stream",        "shard_id", "sequence_number",
                                        "partition_key", "field",    "reason"};
    (void)printf("dead letter " STR_FMT "%s\n  %-16s ", STR_ARG(json_get_text(letter, STR("id"))),
                 json_get_bool(letter, STR("redriven"), false) ? ", redriven" : "", "at");
    print_time_ms(json_get_i64(letter, STR("at_ms"), 0));
    (void)putchar('\n');
    for (int i = 0; i < COUNT_OF(names); i++) {
        str value = json_get_text(letter, str_of(names[i]));
        if (value.len > 0) {
            (void)printf("  %-16s ", names[i]);
            print_plain(value, true);
            (void)putchar('\n');
        }
    }
    (void)printf("  %-16s %lld\n\n", "offset", (long long)json_get_i64(letter, STR("offset"), 0));
    const struct json_value *encoded = json_get(letter, STR("data_base64"));
    print_plain(encoded != NULL ? json_text(encoded) : json_get_text(letter, STR("data")), false);
    (void)putchar('\n');
}

static void show_print(const struct json_value *answer, const void *ctx)
{
    (void)ctx;
    letter_print(json_first(json_get(answer, STR("dead_letters"))));
}

int cmd_deadletter_show(int argc, char **argv)
{
    enum { OUTPUT };
    struct option options[] = {[OUTPUT] = output_option, {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("deadletter show"), options, argc, argv, words, &a) ||
        !arguments_one("deadletter show", "ID", &a)) {
        return EXIT_USAGE;
    }
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/deadletters/"));
    api_segment(&path, str_of(a.words[0]));
    return api_show("GET", &path, STR_EMPTY, &options[OUTPUT], show_print, NULL);
}

/* 5 when all that failed is not there. */
static int redrive_code(const struct json_value *failed)
{
    bool are_absent = json_count(failed) > 0;
    for (const struct json_value *f = json_first(failed); f != NULL; f = json_next(f)) {
        are_absent = are_absent && json_get_bool(f, STR("absent"), false);
    }
    int code = json_count(failed) > 0 ? EXIT_FAILED : EXIT_OK;
    return are_absent ? EXIT_ABSENT : code;
}

static int redrive_print(const struct json_value *answer)
{
    const struct json_value *failed = json_get(answer, STR("failed"));
    (void)printf("%lld put back, %lld had been put back before, %td failed\n",
                 (long long)json_get_i64(answer, STR("redriven"), 0),
                 (long long)json_get_i64(answer, STR("skipped"), 0), json_count(failed));
    for (const struct json_value *f = json_first(failed); f != NULL; f = json_next(f)) {
        print_error(NULL, "dead letter " STR_FMT ": " STR_FMT, STR_ARG(json_get_text(f, STR("id"))),
                    STR_ARG(json_get_text(f, STR("reason"))));
    }
    return redrive_code(failed);
}

int cmd_deadletter_redrive(int argc, char **argv)
{
    enum { ALL, REGION, JOB, OUTPUT };
    struct option options[] = {
        [ALL] = {"all", OPTION_FLAG, NULL, "All of them, or with --job and --region all of those.",
                 NULL, 0, false},
        [REGION] = region_option,
        [JOB] = job_option,
        [OUTPUT] = output_option,
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("deadletter redrive"), options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    bool has_filter = options[REGION].is_given || options[JOB].is_given;
    if (options[ALL].is_given == (a.count > 0) || (has_filter && !options[ALL].is_given)) {
        print_error("leat deadletter redrive ID... | --all [--job ID] [--region R]",
                    "give ids, or --all");
        return EXIT_USAGE;
    }
    struct arena arena = {0};
    struct buf body = {0};
    str text;
    buf_append_byte(&body, '{');
    if (options[ALL].is_given) {
        buf_append(&body, STR("\"all\":true"));
        api_member(&body, "job", str_of(options[JOB].text));
        api_member(&body, "region", str_of(options[REGION].text));
    } else {
        buf_append(&body, STR("\"ids\":["));
        for (int i = 0; i < a.count; i++) {
            buf_append(&body, i > 0 ? STR(",") : STR_EMPTY);
            json_write_string(&body, str_of(a.words[i]));
        }
        buf_append_byte(&body, ']');
    }
    buf_append_byte(&body, '}');
    int code = api_call(&arena, "POST", "/_leat/api/deadletters/redrive", buf_str(&body), &text);
    if (code == EXIT_OK && option_is_json(&options[OUTPUT])) {
        const struct json_value *answer = json_parse_request(&arena, text);
        (void)printf(STR_FMT "\n", STR_ARG(text));
        code = redrive_code(json_get(answer, STR("failed")));
    } else if (code == EXIT_OK) {
        code = redrive_print(json_parse_request(&arena, text));
    }
    buf_deinit(&body);
    arena_deinit(&arena);
    return code;
}
