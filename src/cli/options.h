/*
 * cli/options.h: command lines. Options are long, may stand before or after the
 * command, take "--name value" or "--name=value", and come from one table per
 * command that also makes the help text.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/base.h"
#include "base/str.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

struct option {
    const char *name; /* Without the dashes. */
    enum option_kind kind;
    const char *value_name; /* For help: "DIR". NULL for flags. */
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
};

/* Parses argv[1..] against the table (ended by a NULL name). --help prints the command's help and
 * ends the process with 0. False: an error was printed; the caller returns EXIT_USAGE. `words` must
 * have room for argc entries. */
bool options_parse(const struct command *command, struct option *options, int argc, char **argv,
                   const char **words, struct arguments *out);

/* Was "-o json" asked for? */
bool option_is_json(const struct option *output);
/* Says that leat NOUN has no such verb; returns EXIT_USAGE. */
int unknown_verb(const char *noun, const char *verbs, const char *verb);

/* "error: ..." on standard error, red on a terminal; `hint` may be NULL. */
void print_error(const char *hint, const char *format, ...) PRINTF(2, 3);

enum { WORDS_MAX = 256 };

extern const struct command cli_commands[];
extern const int cli_command_count;

#endif
