/* cli/cmd_version.c: leat version. */
#include "base/version.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "codec/json.h"
#include "net/versions.h"

#include <stdio.h>

static void line_print(bool is_json, bool is_first, const char *name, const char *value)
{
    if (!is_json) {
        (void)printf("%-10s %s\n", name, value);
        return;
    }
    struct buf text = {0};
    json_write_string(&text, str_of(value));
    (void)printf("%s\"%s\":" STR_FMT, is_first ? "{" : ",", name, STR_ARG(buf_str(&text)));
    buf_deinit(&text);
}

int cmd_version(int argc, char **argv)
{
    enum { VERBOSE, OUTPUT };
    struct option options[] = {
        [VERBOSE] = {"verbose", OPTION_FLAG, NULL, "Commit, compiler and libraries too.", NULL, 0,
                     false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: one object with all of it.", NULL,
                    0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("version"), options, argc, argv, words, &a) ||
        !arguments_none("version", &a)) {
        return EXIT_USAGE;
    }
    bool is_json = option_is_json(&options[OUTPUT]);
    if (!options[VERBOSE].is_given && !is_json) {
        (void)printf("leat %s\n", leat_version);
        return EXIT_OK;
    }
    line_print(is_json, true, is_json ? "version" : "leat", leat_version);
    line_print(is_json, false, "commit", leat_commit);
    line_print(is_json, false, "compiler", leat_compiler);
    struct net_library libraries[NET_LIBRARIES_MAX];
    int count = net_libraries(libraries);
    for (int i = 0; i < count; i++) {
        line_print(is_json, false, libraries[i].name, libraries[i].version);
    }
    if (is_json) {
        (void)puts("}");
    }
    return EXIT_OK;
}
