/* cli/main.c: finds the command and runs it. */
#include "base/diag.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "os/os.h"

#include <stdio.h>

enum { NAMES_MAX = 64, NAME_BYTES = 64 };

#define LEAT_VERSION "0.1.0"

const struct command cli_commands[] = {
    {"start", "", "Run the server in the foreground until Ctrl-C.", cmd_start, false},
    {"run", "FILE.sql", "Run a script; its INSERTs become durable jobs.", cmd_run, false},
    {"sql", "", "Run statements: --command TEXT or --file FILE.", cmd_sql, false},
    {"job", "list|show ID|stop ID", "List, show and stop jobs.", cmd_job, false},
    {"stream", "list|create NAME", "List and create streams.", cmd_stream, false},
    {"inbox", "[list|show ID]", "List and show the mails of SNS.", cmd_inbox, false},
    {"generate", "us-accidents", "Write synthetic rows as CSV.", cmd_generate, false},
    {"env", "", "Print what AWS clients need: eval \"$(leat env)\".", cmd_env, false},
    {"version", "", "Print the version.", cmd_version, false},
    {"help", "[COMMAND]", "Print this, or the help of a command.", cmd_help, false},
};
const int cli_command_count = (int)COUNT_OF(cli_commands);

int cmd_version(int argc, char **argv)
{
    static const struct command command = {"version", "", "Print the version.", cmd_version, false};
    struct option options[] = {{.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments arguments;
    if (!options_parse(&command, options, argc, argv, words, &arguments)) {
        return EXIT_USAGE;
    }
    (void)printf("leat %s\n", LEAT_VERSION);
    return EXIT_OK;
}

static void help_all(FILE *out)
{
    (void)fprintf(
        out, "leat runs a real-time pipeline on this machine: streams, Flink SQL, AWS's APIs.\n\n"
             "Usage: leat COMMAND [options]\n\nCommands:\n");
    for (int i = 0; i < cli_command_count; i++) {
        (void)fprintf(out, "  %-14s %s\n", cli_commands[i].name, cli_commands[i].help);
    }
    (void)fprintf(out, "\nleat COMMAND --help tells more of each.\n");
}

static const struct command *command_find(str name)
{
    for (int i = 0; i < cli_command_count; i++) {
        if (str_eq(name, str_of(cli_commands[i].name))) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

static int command_unknown(str name)
{
    str names[NAMES_MAX];
    isize count = 0;
    for (int i = 0; i < cli_command_count && count < NAMES_MAX; i++) {
        names[count++] = str_of(cli_commands[i].name);
    }
    str near = diag_nearest(name, names, count);
    char hint[NAME_BYTES + 32] = "leat help lists the commands";
    if (near.len > 0) {
        (void)snprintf(hint, sizeof hint, "did you mean leat " STR_FMT "?", STR_ARG(near));
    }
    print_error(hint, "there is no command \"" STR_FMT "\"", STR_ARG(name));
    return EXIT_USAGE;
}

int cmd_help(int argc, char **argv)
{
    if (argc < 2) {
        help_all(stdout);
        return EXIT_OK;
    }
    const struct command *command = command_find(str_of(argv[1]));
    if (command == NULL) {
        return command_unknown(str_of(argv[1]));
    }
    char help[] = "--help";
    char *words[] = {argv[1], help, NULL};
    return command->run(2, words);
}

int main(int argc, char **argv)
{
    const char *failpoints = os_getenv("LEAT_FAILPOINT");
    if (failpoints != NULL) {
        os_failpoint_arm(failpoints);
    }
    if (argc < 2) {
        help_all(stdout);
        return EXIT_OK;
    }
    str name = str_of(argv[1]);
    if (str_eq(name, STR("--help")) || str_eq(name, STR("-h"))) {
        help_all(stdout);
        return EXIT_OK;
    }
    if (str_eq(name, STR("--version"))) {
        name = STR("version");
    }
    const struct command *command = command_find(name);
    if (command == NULL) {
        return command_unknown(name);
    }
    return command->run(argc - 1, argv + 1);
}
