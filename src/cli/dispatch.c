/* cli/dispatch.c: which command is meant, and help. */
#include "cli/dispatch.h"

#include "base/diag.h"
#include "cli/commands.h"
#include "cli/error_codes.h"
#include "cli/options.h"

#include <stdio.h>

enum { NAMES_MAX = 64, NAME_BYTES = 128 };

/* "stream" of "stream list"; the whole of a name of one word. */
static str noun_of(const struct command *command)
{
    str name = str_of(command->name);
    return str_split(&name, ' ', NULL);
}

static bool has_verb(const struct command *command)
{
    return str_find_byte(str_of(command->name), ' ', 0) >= 0;
}

/* --- help
 * --------------------------------------------------------------------------------------------- */

static void commands_print(FILE *out, str noun)
{
    for (int i = 0; i < cli_command_count; i++) {
        const struct command *c = &cli_commands[i];
        bool is_shown = !c->is_hidden && (noun.len == 0 || str_eq(noun, noun_of(c)));
        if (is_shown) {
            char left[NAME_BYTES];
            (void)snprintf(left, sizeof left, "%s%s%s", c->name,
                           c->arguments[0] != '\0' && noun.len > 0 ? " " : "",
                           noun.len > 0 ? c->arguments : "");
            (void)fprintf(out, "  %-*s %s\n", noun.len > 0 ? 31 : 16, left, c->help);
        }
    }
}

static void help_all(FILE *out)
{
    (void)fprintf(
        out, "leat runs a real-time pipeline on this machine: streams, Flink SQL, AWS's APIs.\n\n"
             "Usage: leat COMMAND [options]\n\nCommands:\n");
    commands_print(out, STR_EMPTY);
    (void)fprintf(out,
                  "\nleat COMMAND --help tells more of each. Programs read -o json.\n"
                  "Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 SQL, 5 not found,\n"
                  "6 the server or AWS could not be reached or failed, 7 a check failed.\n");
}

static bool command_exists(const char *name)
{
    for (int i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void help_short(void)
{
    (void)puts("leat runs a real-time pipeline on this machine: streams, Flink SQL, AWS's APIs.\n");
    if (command_exists("demo")) {
        (void)puts("Try:  leat demo        the whole pipeline, moving");
    } else {
        (void)puts("Try:  leat start       the server");
    }
    (void)puts("      leat help        all commands");
}

/* --- finding
 * ------------------------------------------------------------------------------------------- */

static bool is_noun(str word)
{
    for (int i = 0; i < cli_command_count; i++) {
        if (has_verb(&cli_commands[i]) && str_eq(word, noun_of(&cli_commands[i]))) {
            return true;
        }
    }
    return false;
}

/* The command that the words begin with; *taken_out words are its name. NULL. */
static const struct command *command_find(int count, char **words, int *taken_out)
{
    char both[NAME_BYTES];
    for (int taken = MIN(count, 2); taken > 0; taken--) {
        (void)snprintf(both, sizeof both, taken == 2 ? "%s %s" : "%s", words[0],
                       taken == 2 ? words[1] : "");
        for (int i = 0; i < cli_command_count; i++) {
            if (strcmp(both, cli_commands[i].name) == 0) {
                *taken_out = taken;
                return &cli_commands[i];
            }
        }
    }
    return NULL;
}

/* Nouns and names of one word, each once. */
static isize first_words(str *out)
{
    isize count = 0;
    for (int i = 0; i < cli_command_count && count < NAMES_MAX; i++) {
        str noun = noun_of(&cli_commands[i]);
        if (count == 0 || !str_eq(out[count - 1], noun)) {
            out[count++] = noun;
        }
    }
    return count;
}

static int command_unknown(str name)
{
    str names[NAMES_MAX];
    isize count = first_words(names);
    str near = diag_nearest(name, names, count);
    char hint[NAME_BYTES + 32] = "leat help lists the commands";
    if (near.len > 0) {
        (void)snprintf(hint, sizeof hint, "did you mean leat " STR_FMT "?", STR_ARG(near));
    }
    print_error(hint, "there is no command \"" STR_FMT "\"", STR_ARG(name));
    return EXIT_USAGE;
}

static int verb_unknown(str noun, str verb)
{
    str verbs[NAMES_MAX];
    isize count = 0;
    char hint[512];
    isize length = snprintf(hint, sizeof hint, "leat " STR_FMT " ", STR_ARG(noun));
    for (int i = 0; i < cli_command_count && count < NAMES_MAX; i++) {
        if (has_verb(&cli_commands[i]) && str_eq(noun, noun_of(&cli_commands[i]))) {
            verbs[count] = str_of(cli_commands[i].name + noun.len + 1);
            length += snprintf(hint + length, sizeof hint - (size_t)length, "%s" STR_FMT,
                               count > 0 ? " | " : "", STR_ARG(verbs[count]));
            count++;
        }
    }
    str near = diag_nearest(verb, verbs, count);
    if (near.len > 0) {
        (void)snprintf(hint, sizeof hint, "did you mean leat " STR_FMT " " STR_FMT "?",
                       STR_ARG(noun), STR_ARG(near));
    }
    print_error(hint, "leat " STR_FMT " has no \"" STR_FMT "\"", STR_ARG(noun), STR_ARG(verb));
    return EXIT_USAGE;
}

static int noun_help(str noun, FILE *out)
{
    (void)fprintf(out, "Usage: leat " STR_FMT " VERB [options]\n\n", STR_ARG(noun));
    commands_print(out, noun);
    return EXIT_OK;
}

static int not_found(int count, char **words)
{
    str first = str_of(words[0]);
    if (!is_noun(first)) {
        return command_unknown(first);
    }
    bool is_help = count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);
    if (is_help) {
        return noun_help(first, stdout);
    }
    if (count < 2 || words[1][0] == '-') {
        IGNORE(noun_help(first, stderr)); /* Nothing was asked for: that is wrong usage. */
        return EXIT_USAGE;
    }
    return verb_unknown(first, str_of(words[1]));
}

/* --- commands about commands
 * ----------------------------------------------------------------------------- */

int cmd_help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        struct option options[] = {{.name = NULL}};
        const char *names[WORDS_MAX];
        struct arguments a;
        if (!options_parse(command_get("help"), options, argc, argv, names, &a)) {
            return EXIT_USAGE;
        }
        help_all(stdout);
        return EXIT_OK;
    }
    if (error_code_is(str_of(argv[1]))) {
        return error_code_explain(str_of(argv[1]));
    }
    int taken;
    const struct command *command = command_find(argc - 1, argv + 1, &taken);
    if (command == NULL && is_noun(str_of(argv[1])) && argc == 2) {
        return noun_help(str_of(argv[1]), stdout);
    }
    if (command == NULL) {
        return not_found(argc - 1, argv + 1);
    }
    if (command->run == cmd_help) {
        help_all(stdout);
        return EXIT_OK;
    }
    char help[] = "--help";
    char *words[] = {argv[taken], help, NULL};
    return command->run(2, words);
}

/* --- the command line
 * ---------------------------------------------------------------------------------- */

/* Moves the options before the command behind it: what they belong to is known there. */
static int leading_move(int argc, char **argv, char **out)
{
    int first = 1;
    bool takes_value;
    while (first < argc && option_is_global(argv[first], &takes_value)) {
        first += takes_value ? 2 : 1;
    }
    first = MIN(first, argc);
    int count = 0;
    int split = first; /* They may not come behind a "--". */
    while (split < argc && strcmp(argv[split], "--") != 0) {
        split++;
    }
    for (int i = first; i < split; i++) {
        out[count++] = argv[i];
    }
    for (int i = 1; i < first; i++) {
        out[count++] = argv[i];
    }
    for (int i = split; i < argc; i++) {
        out[count++] = argv[i];
    }
    out[count] = NULL;
    return count;
}

int cli_dispatch(int argc, char **argv)
{
    char *words[WORDS_MAX + 1];
    if (argc > WORDS_MAX) {
        print_error("give data by a file or a pipe", "a command line has at most %d words",
                    WORDS_MAX);
        return EXIT_USAGE;
    }
    if (argc < 2) {
        help_short();
        return EXIT_OK;
    }
    int count = leading_move(argc, argv, words);
    if (count == 0) {
        help_short();
        return EXIT_USAGE;
    }
    if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0) {
        help_all(stdout);
        return EXIT_OK;
    }
    if (strcmp(words[0], "--version") == 0) {
        return cmd_version(count, words);
    }
    if (words[0][0] == '-') {
        print_error("leat help lists the commands", "unknown option %s before the command",
                    words[0]);
        return EXIT_USAGE;
    }
    int taken;
    const struct command *command = command_find(count, words, &taken);
    return command == NULL ? not_found(count, words)
                           : command->run(count - taken + 1, words + taken - 1);
}
