/* cli/options.c: the parser of command lines, and help. */
#include "cli/options.h"

#include "base/diag.h"
#include "cli/term.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 64 };

void print_error(const char *hint, const char *format, ...)
{
    bool has_colour = term_has_colour(2);
    (void)fprintf(stderr, "%serror:%s ", has_colour ? "\033[1;31m" : "",
                  has_colour ? "\033[0m" : "");
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    if (hint != NULL) {
        (void)fprintf(stderr, "  help: %s\n", hint);
    }
}

static void help_print(const struct command *command, const struct option *options)
{
    (void)printf("%s\n\nUsage: leat %s%s%s [options]\n", command->help, command->name,
                 command->arguments[0] != '\0' ? " " : "", command->arguments);
    if (options[0].name != NULL) {
        (void)printf("\nOptions:\n");
    }
    for (const struct option *o = options; o->name != NULL; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", o->name, o->value_name != NULL ? " " : "",
                       o->value_name != NULL ? o->value_name : "");
        (void)printf("  %-26s %s\n", left, o->help);
    }
    (void)printf("  %-26s %s\n", "--help", "Print this.");
}

static struct option *find(struct option *options, str name)
{
    for (struct option *o = options; o->name != NULL; o++) {
        if (str_eq(name, str_of(o->name))) {
            return o;
        }
    }
    return NULL;
}

static void unknown(const struct command *command, const struct option *options, str name)
{
    str names[NAMES_MAX];
    isize count = 0;
    for (const struct option *o = options; o->name != NULL && count < NAMES_MAX; o++) {
        names[count++] = str_of(o->name);
    }
    str near = diag_nearest(name, names, count);
    char hint[160];
    if (near.len > 0) {
        (void)snprintf(hint, sizeof hint, "did you mean --" STR_FMT "?", STR_ARG(near));
    } else {
        (void)snprintf(hint, sizeof hint, "leat %s --help lists the options", command->name);
    }
    print_error(hint, "unknown option --" STR_FMT " of leat %s", STR_ARG(name), command->name);
}

static bool value_set(struct option *option, const char *text)
{
    option->is_given = true;
    option->text = text;
    if (option->kind == OPTION_NUMBER && str_to_i64(str_of(text), &option->number) != OK) {
        print_error(NULL, "--%s takes a whole number, not \"%s\"", option->name, text);
        return false;
    }
    return true;
}

/* Takes argv[*at], which begins with "--", and its value. */
static bool option_take(const struct command *command, struct option *options, int argc,
                        char **argv, int *at)
{
    str word = str_of(argv[*at] + 2);
    bool has_value;
    str name = str_split(&word, '=', &has_value);
    if (str_eq(name, STR("help"))) {
        help_print(command, options);
        exit(EXIT_OK);
    }
    struct option *option = find(options, name);
    if (option == NULL) {
        unknown(command, options, name);
        return false;
    }
    if (option->kind == OPTION_FLAG) {
        option->is_given = true;
        if (has_value) {
            print_error(NULL, "--%s takes no value", option->name);
        }
        return !has_value;
    }
    if (has_value) {
        return value_set(option, (const char *)word.data);
    }
    if (*at + 1 >= argc) {
        print_error(NULL, "--%s needs a value: --%s %s", option->name, option->name,
                    option->value_name);
        return false;
    }
    *at += 1;
    return value_set(option, argv[*at]);
}

bool options_parse(const struct command *command, struct option *options, int argc, char **argv,
                   const char **words, struct arguments *out)
{
    int count = 0;
    bool is_rest = false;
    struct option *output = find(options, STR("output"));
    for (int i = 1; i < argc; i++) {
        if (!is_rest && strcmp(argv[i], "--") == 0) {
            is_rest = true;
        } else if (!is_rest && (strcmp(argv[i], "-h") == 0)) {
            help_print(command, options);
            exit(EXIT_OK);
        } else if (!is_rest && strncmp(argv[i], "--", 2) == 0) {
            if (!option_take(command, options, argc, argv, &i)) {
                return false;
            }
        } else if (!is_rest && output != NULL && strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            if (!value_set(output, argv[++i])) {
                return false;
            }
        } else {
            words[count++] = argv[i];
        }
    }
    *out = (struct arguments){words, count};
    return true;
}

bool option_is_json(const struct option *output)
{
    return output->text != NULL && strcmp(output->text, "json") == 0;
}

int unknown_verb(const char *noun, const char *verbs, const char *verb)
{
    char hint[128];
    (void)snprintf(hint, sizeof hint, "leat %s %s", noun, verbs);
    print_error(hint, "leat %s has no \"%s\"", noun, verb);
    return EXIT_USAGE;
}
