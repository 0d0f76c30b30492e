/* tests/unit/cli/options_test.c */
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#undef print_error /* From here on it is cmocka's. */
#include <cmocka.h>

enum { NAME, SHARDS, FORCE, OUTPUT };

static struct option table[5];
static const char *words[WORDS_MAX];
static struct arguments arguments;

static int nothing(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return EXIT_OK;
}

static const struct command command = {"thing do", "NAME", "Does it.", nothing, false};

static bool parse(int argc, const char *const *argv)
{
    static const struct option fresh[] = {
        [NAME] = {"file", OPTION_TEXT, "NAME", "A name.", NULL, 0, false},
        [SHARDS] = {"shards", OPTION_NUMBER, "N", "How many.", NULL, 7, false},
        [FORCE] = {"force", OPTION_FLAG, NULL, "Yes.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|csv", "Form.", "table", 0, false},
        {.name = NULL},
    };
    union {
        const char *const *from;
        char **to;
    } writable = {argv};
    memcpy(table, fresh, sizeof fresh);
    return options_parse(&command, table, argc, writable.to, words, &arguments);
}

#define PARSE(...)                                                   \
    parse((int)COUNT_OF(((const char *const[]){"do", __VA_ARGS__})), \
          (const char *const[]){"do", __VA_ARGS__})

static void forms_of_values(void **state)
{
    (void)state;
    assert_true(PARSE("--file", "a", "--shards=3", "--force"));
    assert_string_equal(table[NAME].text, "a");
    assert_int_equal(table[SHARDS].number, 3);
    assert_true(table[SHARDS].is_given && table[FORCE].is_given);
    assert_false(table[OUTPUT].is_given);
    assert_string_equal(table[OUTPUT].text, "table");
    assert_true(PARSE("-f", "b", "-ocsv"));
    assert_string_equal(table[NAME].text, "b");
    assert_string_equal(table[OUTPUT].text, "csv");
    assert_int_equal(table[SHARDS].number, 7);
    assert_true(PARSE("--file="));
    assert_string_equal(table[NAME].text, "");
    assert_true(PARSE("--file", "--shards"));
    assert_string_equal(table[NAME].text, "--shards");
}

static void words_and_options_mix(void **state)
{
    (void)state;
    assert_true(PARSE("one", "--force", "two", "-", "-5", "--", "--file", "-o"));
    assert_int_equal(arguments.count, 6);
    assert_string_equal(arguments.words[0], "one");
    assert_string_equal(arguments.words[1], "two");
    assert_string_equal(arguments.words[2], "-");
    assert_string_equal(arguments.words[3], "-5");
    assert_string_equal(arguments.words[4], "--file");
    assert_string_equal(arguments.words[5], "-o");
    assert_false(table[NAME].is_given);
}

static void wrong_ones_are_refused(void **state)
{
    (void)state;
    assert_false(PARSE("--fil"));
    assert_false(PARSE("--file"));
    assert_false(PARSE("--shards", "x"));
    assert_false(PARSE("--shards="));
    assert_false(PARSE("--shards", "99999999999999999999"));
    assert_false(PARSE("--force=1"));
    assert_false(PARSE("-x"));
    assert_false(PARSE("-c", "x")); /* A letter of an option that this command has not. */
    assert_false(PARSE("-o", "xml"));
    assert_false(PARSE("-o", "table|json"));
    assert_false(PARSE("-o", ""));
    assert_false(PARSE("--color", "mauve"));
    assert_true(PARSE("--color", "never", "--color=auto"));
}

static void counts_of_words(void **state)
{
    (void)state;
    assert_true(PARSE("a"));
    assert_true(arguments_one("thing do", "NAME", &arguments));
    assert_false(arguments_none("thing do", &arguments));
    assert_true(PARSE("--force"));
    assert_true(arguments_none("thing do", &arguments));
    assert_false(arguments_one("thing do", "NAME", &arguments));
}

static void options_before_the_command(void **state)
{
    (void)state;
    bool takes_value;
    assert_true(option_is_global("--region", &takes_value) && takes_value);
    assert_true(option_is_global("--region=x", &takes_value) && !takes_value);
    assert_true(option_is_global("-o", &takes_value) && takes_value);
    assert_false(option_is_global("--regions", &takes_value));
    assert_false(option_is_global("stream", &takes_value));
    assert_false(option_is_global("--help", &takes_value));
}

static int visits;

static void visit(void *ctx, const struct command *visited, const struct option *options)
{
    assert_ptr_equal(ctx, &visits);
    assert_ptr_equal(visited, &command);
    assert_string_equal(options[SHARDS].name, "shards");
    visits++;
}

static void tables_are_shown(void **state)
{
    (void)state;
    options_visit(visit, &visits);
    assert_false(PARSE("--nonsense"));
    options_visit(NULL, NULL);
    assert_int_equal(visits, 1);
    assert_true(PARSE("a"));
}

static void the_table_of_commands(void **state)
{
    (void)state;
    for (int i = 0; i < cli_command_count; i++) {
        const struct command *c = &cli_commands[i];
        assert_ptr_equal(command_get(c->name), c);
        assert_non_null(c->run);
        assert_true(strlen(c->help) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_values),
        cmocka_unit_test(words_and_options_mix),
        cmocka_unit_test(wrong_ones_are_refused),
        cmocka_unit_test(counts_of_words),
        cmocka_unit_test(options_before_the_command),
        cmocka_unit_test(tables_are_shown),
        cmocka_unit_test(the_table_of_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
