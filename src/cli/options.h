/*
 * cli/options.h: command lines. Options are long ("--name value", "--name=value"),
 * may stand before or after the command, and come from one table per command that
 * also makes the help text, completion and docs/cli.md. A letter means the same
 * option everywhere: -o --output, -c --command, -f --file, -h --help. Every command
 * has --help and --color as well.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/base.h"
#include "base/str.h"
#include "cli/print.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

struct option {
    const char *name; /* Without the dashes. */
    enum option_kind kind;
    const char *value_name; /* For help: "DIR". NULL for flags. "a|b": one of these words. */
    const char *help;
    /* Filled in: */
    const char *text; /* As given, or the default that stood here. */
    i64 number;
    bool is_given;
};

struct arguments {
    const char *const *words; /* What is no option. */
    int count;
};

struct command {
    const char *name;      /* "stream create" has a noun and a verb. */
    const char *arguments; /* For help: "NAME". */
    const char *help;
    int (*run)(int argc, char **argv);
    bool is_hidden;
};

/* Exit codes (docs/cli.md). */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIG = 3,
    EXIT_SQL = 4,
    EXIT_ABSENT = 5,
    EXIT_REMOTE = 6,
    EXIT_CHECK = 7,
    EXIT_INTERNAL = 70,
    EXIT_TRY_AGAIN = 75,
    EXIT_CONFIGURATION = 78,
    EXIT_TIMEOUT = 124,
    EXIT_INTERRUPTED = 130,
};

/* The region of the environment and the variable that names it: AWS_REGION, else
 * AWS_DEFAULT_REGION. NULL: neither is set. */
const char *option_env_region(const char **name_out);

/* Parses argv[1..] against the table (ended by a NULL name). --help prints the command's help and
 * ends the process with 0. False: an error was printed; the caller returns EXIT_USAGE. `words` must
 * have room for argc entries. Where there is a --region that is not given, the environment's is
 * checked too. */
bool options_parse(const struct command *command, struct option *options, int argc, char **argv,
                   const char **words, struct arguments *out);
/* Is it the name of an option that takes a value before the command ("--region R stream list")? */
bool option_is_global(const char *word, bool *takes_value_out);

/* False, and an error was printed, when there are words that are no options. */
bool arguments_none(const char *command, const struct arguments *arguments);
/* The same unless there is exactly one word, the command's `name`. */
bool arguments_one(const char *command, const char *name, const struct arguments *arguments);
/* The same unless there are `count` words; the hint has the command's arguments. */
bool arguments_exactly(const char *command, int count, const struct arguments *arguments);

/* Was "-o json" asked for? */
bool option_is_json(const struct option *output);
/* Says that leat NOUN has no such verb; returns EXIT_USAGE. */
int unknown_verb(const char *noun, const char *verbs, const char *verb);

/* Instead of parsing, options_parse shows its table to `visit` and returns false: so completion and
 * the reference are made of the tables that are parsed. NULL ends it. */
typedef void (*options_visit_fn)(void *ctx, const struct command *command,
                                 const struct option *options);
void options_visit(options_visit_fn visit, void *ctx);

enum { WORDS_MAX = 256 };

/* commands.c */
extern const struct command cli_commands[];
extern const int cli_command_count;
/* The table's entry; it must be there. */
const struct command *command_get(const char *name);
/* Lines of examples, NULL when there are none. */
const char *command_examples(const char *name);

#endif
