/* cli/options.c: the parser of command lines, and help. */
#include "cli/options.h"

#include "base/diag.h"
#include "cli/term.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 64, LEFT_BYTES = 64, REGION_CHARS_MAX = 64 };

static const struct {
    char letter;
    const char *name;
} letters[] = {{'o', "output"}, {'c', "command"}, {'f', "file"}};

static options_visit_fn visitor;
static void *visitor_ctx;

void options_visit(options_visit_fn visit, void *ctx)
{
    visitor = visit;
    visitor_ctx = ctx;
}

/* --- help
 * ---------------------------------------------------------------------------------------------- */

static char letter_of(const char *name)
{
    for (int i = 0; i < COUNT_OF(letters); i++) {
        if (strcmp(letters[i].name, name) == 0) {
            return letters[i].letter;
        }
    }
    return '\0';
}

static void line_print(char letter, const char *name, const char *value_name, const char *help)
{
    char left[LEFT_BYTES];
    char short_form[8] = "    ";
    if (letter != '\0') {
        (void)snprintf(short_form, sizeof short_form, "-%c, ", letter);
    }
    (void)snprintf(left, sizeof left, "%s--%s%s%s", short_form, name, value_name != NULL ? " " : "",
                   value_name != NULL ? value_name : "");
    (void)printf("  %-28s %s\n", left, help);
}

static void help_print(const struct command *command, const struct option *options)
{
    (void)printf("%s\n\nUsage: leat %s%s%s [options]\n", command->help, command->name,
                 command->arguments[0] != '\0' ? " " : "", command->arguments);
    const char *examples = command_examples(command->name);
    if (examples != NULL) {
        (void)printf("\nExamples:\n%s", examples);
    }
    (void)printf("\nOptions:\n");
    for (const struct option *o = options; o->name != NULL; o++) {
        line_print(letter_of(o->name), o->name, o->value_name, o->help);
    }
    line_print('\0', "color", "WHEN", "auto, always or never (auto).");
    line_print('h', "help", NULL, "Print this.");
}

/* --- parsing
 * ------------------------------------------------------------------------------------------- */

static struct option *find(struct option *options, str name)
{
    for (struct option *o = options; o->name != NULL; o++) {
        if (str_eq(name, str_of(o->name))) {
            return o;
        }
    }
    return NULL;
}

static void unknown(const struct command *command, const struct option *options, const char *dashes,
                    str name)
{
    str names[NAMES_MAX] = {STR("help"), STR("color")};
    isize count = 2;
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
    print_error(hint, "unknown option %s" STR_FMT " of leat %s", dashes, STR_ARG(name),
                command->name);
}

/* Is it one of the words that value_name lists? */
static bool word_check(const struct option *option, str text)
{
    str rest = str_of(option->value_name), names[NAMES_MAX];
    isize count = 0;
    while (rest.len > 0 && count < NAMES_MAX) {
        names[count] = str_split(&rest, '|', NULL);
        if (str_eq(names[count++], text)) {
            return true;
        }
    }
    char hint[128];
    str near = diag_nearest(text, names, count);
    (void)snprintf(hint, sizeof hint, "did you mean " STR_FMT "?", STR_ARG(near));
    print_error(near.len > 0 ? hint : NULL, "--%s is one of %s, not \"" STR_FMT "\"", option->name,
                option->value_name, STR_ARG(text));
    return false;
}

/* What may stand in a signature's scope. */
static bool is_region(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len <= REGION_CHARS_MAX && text[len] == '\0';
}

static bool value_set(struct option *option, const char *text)
{
    option->is_given = true;
    option->text = text;
    if (option->kind == OPTION_TEXT && strcmp(option->name, "region") == 0 && !is_region(text)) {
        print_error("for example --region us-east-1",
                    text[0] == '\0' ? "--region is empty" : "\"%s\" is no name of a region", text);
        return false;
    }
    if (option->kind == OPTION_TEXT && strchr(option->value_name, '|') != NULL) {
        return word_check(option, str_of(text));
    }
    if (option->kind == OPTION_NUMBER && str_to_i64(str_of(text), &option->number) != OK) {
        print_error(NULL, "--%s takes a whole number, not \"%s\"", option->name, text);
        return false;
    }
    return true;
}

static bool colour_set(const char *text)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (int i = 0; text != NULL && i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            term_set_colour((enum term_colour)i);
            return true;
        }
    }
    print_error(NULL, "--color is auto, always or never, not \"%s\"", text == NULL ? "" : text);
    return false;
}

struct parse {
    const struct command *command;
    struct option *options;
    int argc;
    char **argv;
    int at;
};

/* The value after argv[at], or what stood behind '='. NULL: there is none, which was printed. */
static const char *value_take(struct parse *p, const char *name, const char *value_name,
                              const char *inlined)
{
    if (inlined != NULL) {
        return inlined;
    }
    if (p->at + 1 >= p->argc) {
        print_error(NULL, "--%s needs a value: --%s %s", name, name, value_name);
        return NULL;
    }
    return p->argv[++p->at];
}

static bool named_take(struct parse *p, const char *dashes, str name, const char *inlined)
{
    if (str_eq(name, STR("help"))) {
        help_print(p->command, p->options);
        exit(EXIT_OK);
    }
    if (str_eq(name, STR("color"))) {
        const char *when = value_take(p, "color", "WHEN", inlined);
        return when != NULL && colour_set(when);
    }
    struct option *option = find(p->options, name);
    if (option == NULL) {
        unknown(p->command, p->options, dashes, name);
        return false;
    }
    if (option->kind == OPTION_FLAG) {
        option->is_given = true;
        if (inlined != NULL) {
            print_error(NULL, "--%s takes no value", option->name);
        }
        return inlined == NULL;
    }
    const char *value = value_take(p, option->name, option->value_name, inlined);
    return value != NULL && value_set(option, value);
}

/* argv[at] begins with "--". */
static bool long_take(struct parse *p)
{
    str word = str_of(p->argv[p->at] + 2);
    bool has_value;
    str name = str_split(&word, '=', &has_value);
    return named_take(p, "--", name, has_value ? (const char *)word.data : NULL);
}

/* argv[at] is "-o" or "-ojson". */
static bool short_take(struct parse *p)
{
    const char *word = p->argv[p->at];
    const char *inlined = word[2] != '\0' ? word + 2 : NULL;
    if (word[1] == 'h' && inlined == NULL) {
        return named_take(p, "-", STR("help"), NULL);
    }
    for (int i = 0; i < COUNT_OF(letters); i++) {
        bool is_it = letters[i].letter == word[1];
        if (is_it && find(p->options, str_of(letters[i].name)) != NULL) {
            return named_take(p, "-", str_of(letters[i].name), inlined);
        }
    }
    unknown(p->command, p->options, "-", str_of(word + 1));
    return false;
}

/* "-5" and "-" are words. */
static bool is_short(const char *word)
{
    return word[0] == '-' &&
           ((word[1] >= 'a' && word[1] <= 'z') || (word[1] >= 'A' && word[1] <= 'Z'));
}

const char *option_env_region(const char **name_out)
{
    static const char *const names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        const char *value = os_getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            *name_out = names[i];
            return value;
        }
    }
    return NULL;
}

static bool env_region_is_good(struct option *options)
{
    const struct option *region = find(options, STR("region"));
    bool is_asked = region != NULL && region->text == NULL;
    const char *name, *value = is_asked ? option_env_region(&name) : NULL;
    if (value == NULL || is_region(value)) {
        return true;
    }
    print_error("for example export AWS_REGION=us-east-1",
                "%s is \"%s\", which is no name of a region", name, value);
    return false;
}

bool options_parse(const struct command *command, struct option *options, int argc, char **argv,
                   const char **words, struct arguments *out)
{
    if (visitor != NULL) {
        visitor(visitor_ctx, command, options);
        return false;
    }
    struct parse p = {command, options, argc, argv, 1};
    int count = 0;
    bool is_rest = false;
    for (; p.at < argc; p.at++) {
        const char *word = argv[p.at];
        bool is_good = true;
        if (!is_rest && strcmp(word, "--") == 0) {
            is_rest = true;
        } else if (!is_rest && strncmp(word, "--", 2) == 0) {
            is_good = long_take(&p);
        } else if (!is_rest && is_short(word)) {
            is_good = short_take(&p);
        } else {
            words[count++] = word;
        }
        if (!is_good) {
            return false;
        }
    }
    struct option *output = find(options, STR("output"));
    if (output != NULL && output->text != NULL && strcmp(output->text, "table") != 0 &&
        strstr(output->text, "json") != NULL) {
        print_errors_as_json();
    }
    *out = (struct arguments){words, count};
    return env_region_is_good(options);
}

bool option_is_global(const char *word, bool *takes_value_out)
{
    static const char *const names[] = {"--region", "--output", "--color", "-o"};
    if (word[0] != '-') {
        return false;
    }
    *takes_value_out = false;
    for (int i = 0; i < COUNT_OF(names); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(word, names[i], length) == 0 && (word[length] == '\0' || word[length] == '=')) {
            *takes_value_out = word[length] == '\0';
            return true;
        }
    }
    return false;
}

bool arguments_none(const char *command, const struct arguments *arguments)
{
    if (arguments->count == 0) {
        return true;
    }
    char hint[NAMES_MAX];
    (void)snprintf(hint, sizeof hint, "leat %s --help lists the options", command);
    print_error(hint, "leat %s takes no \"%s\"", command, arguments->words[0]);
    return false;
}

bool arguments_one(const char *command, const char *name, const struct arguments *arguments)
{
    if (arguments->count == 1) {
        return true;
    }
    char hint[NAMES_MAX * 2];
    (void)snprintf(hint, sizeof hint, "leat %s %s", command, name);
    print_error(hint, "leat %s takes one %s, not %d", command, name, arguments->count);
    return false;
}

bool arguments_exactly(const char *command, int count, const struct arguments *arguments)
{
    if (arguments->count == count) {
        return true;
    }
    char hint[NAMES_MAX * 2];
    (void)snprintf(hint, sizeof hint, "leat %s %s", command, command_get(command)->arguments);
    print_error(hint, "leat %s takes %d words, not %d", command, count, arguments->count);
    return false;
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
