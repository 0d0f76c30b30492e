/* cli/cmd_env.c: what clients need: leat env, leat aws; leat version. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/env.h"
#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>

const char *env_access_key(void)
{
    const char *own = os_getenv("LEAT_ACCESS_KEY_ID"), *account = os_getenv("AWS_ACCESS_KEY_ID");
    if (own != NULL && own[0] != '\0') {
        return own;
    }
    bool is_account = account != NULL && strlen(account) == 12;
    for (int i = 0; is_account && i < 12; i++) {
        is_account = account[i] >= '0' && account[i] <= '9';
    }
    return is_account ? account : "test"; /* 12 digits choose the account. */
}

const char *env_secret(void)
{
    const char *own = os_getenv("LEAT_SECRET_ACCESS_KEY");
    return own != NULL && own[0] != '\0' ? own : "test";
}

const char *env_ca_bundle(void)
{
    const char *own = os_getenv("LEAT_CA_BUNDLE"), *aws = os_getenv("AWS_CA_BUNDLE");
    if (own != NULL && own[0] != '\0') {
        return own;
    }
    return aws != NULL && aws[0] != '\0' ? aws : NULL;
}

/* --- leat env
 * ---------------------------------------------------------------------------------------- */

enum { SHELL_SH, SHELL_FISH, SHELL_POWERSHELL, SHELL_JSON };

static void line_print(int shell, const char *name, const char *value, bool is_first)
{
    struct buf quoted = {0};
    if (shell == SHELL_JSON) {
        (void)printf("%s\n  \"%s\": ", is_first ? "{" : ",", name);
        json_write_string(&quoted, str_of(value));
        (void)printf(STR_FMT, STR_ARG(buf_str(&quoted)));
        buf_deinit(&quoted);
        return;
    }
    const char *escape = shell == SHELL_POWERSHELL ? "''" : "'\\''";
    escape = shell == SHELL_FISH ? "\\'" : escape;
    bool is_plain = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._:/@%+,[]") == strlen(value) &&
                    shell != SHELL_POWERSHELL && strpbrk(value, "[]") == NULL;
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\'') {
            buf_append(&quoted, str_of(escape));
        } else if (*c == '\\' && shell == SHELL_FISH) {
            buf_append(&quoted, STR("\\\\"));
        } else {
            buf_append_byte(&quoted, (u8)*c);
        }
    }
    char head[96];
    switch (shell) {
    case SHELL_FISH:
        (void)snprintf(head, sizeof head, "set -gx %s ", name);
        break;
    case SHELL_POWERSHELL:
        (void)snprintf(head, sizeof head, "$env:%s = ", name);
        break;
    default:
        (void)snprintf(head, sizeof head, "export %s=", name);
    }
    const char *quote = is_plain ? "" : "'";
    (void)printf("%s%s" STR_FMT "%s\n", head, quote, STR_ARG(buf_str(&quoted)), quote);
    buf_deinit(&quoted);
}

static bool shell_parse(const struct option *option, int *out)
{
    static const struct {
        const char *name;
        int shell;
    } shells[] = {{"bash", SHELL_SH},
                  {"zsh", SHELL_SH},
                  {"sh", SHELL_SH},
                  {"fish", SHELL_FISH},
                  {"powershell", SHELL_POWERSHELL}};
    for (int i = 0; i < COUNT_OF(shells); i++) {
        if (strcmp(option->text, shells[i].name) == 0) {
            *out = shells[i].shell;
            return true;
        }
    }
    return false;
}

int cmd_env(int argc, char **argv)
{
    enum { SHELL, REGION, OUTPUT };
    struct option options[] = {
        [SHELL] = {"shell", OPTION_TEXT, "bash|zsh|sh|fish|powershell", "Whose syntax (bash).",
                   "bash", 0, false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: one object.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("env"), options, argc, argv, words, &a) ||
        !arguments_none("env", &a)) {
        return EXIT_USAGE;
    }
    int shell = SHELL_SH;
    if (option_is_json(&options[OUTPUT])) {
        shell = SHELL_JSON;
    } else if (!shell_parse(&options[SHELL], &shell)) {
        return EXIT_USAGE;
    }
    const char *region = api_region(&options[REGION]);
    line_print(shell, "LEAT_ENDPOINT", api_endpoint(), true);
    line_print(shell, "AWS_ENDPOINT_URL", api_endpoint(), false);
    line_print(shell, "AWS_REGION", region, false);
    line_print(shell, "AWS_DEFAULT_REGION", region, false);
    line_print(shell, "AWS_ACCESS_KEY_ID", env_access_key(), false);
    line_print(shell, "AWS_SECRET_ACCESS_KEY", env_secret(), false);
    if (env_ca_bundle() != NULL) {
        line_print(shell, "AWS_CA_BUNDLE", env_ca_bundle(), false);
    }
    if (shell == SHELL_JSON) {
        (void)puts("\n}");
    }
    return EXIT_OK;
}

/* --- leat aws
 * ------------------------------------------------------------------------------------------ */

static void env_apply(void)
{
    const char *region = api_region(NULL);
    const struct {
        const char *name, *value;
    } settings[] = {
        {"AWS_REGION", region},
        {"AWS_DEFAULT_REGION", region},
        {"AWS_ACCESS_KEY_ID", env_access_key()},
        {"AWS_SECRET_ACCESS_KEY", env_secret()},
        {"AWS_ENDPOINT_URL", api_endpoint()},
        {"AWS_EC2_METADATA_DISABLED", "true"},
        {"AWS_CA_BUNDLE", env_ca_bundle()},
    };
    static const char *const without[] = {"AWS_PROFILE", "AWS_SESSION_TOKEN",
                                          "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"};
    for (int i = 0; i < COUNT_OF(settings) && settings[i].value != NULL; i++) {
        char *copy = strdup(settings[i].value); /* It may be the old value of the same name. */
        CHECK(copy != NULL && setenv(settings[i].name, copy, 1) == 0);
        free(copy);
    }
    for (int i = 0; i < COUNT_OF(without); i++) {
        CHECK(unsetenv(without[i]) == 0);
    }
}

const char **env_aws_words(int count, char **words, const char **out)
{
    bool has_endpoint = false;
    for (int i = 0; i < count; i++) {
        str word = str_of(words[i]);
        has_endpoint = has_endpoint || str_eq(word, STR("--endpoint-url")) ||
                       str_starts(word, STR("--endpoint-url="));
    }
    int at = 0;
    out[at++] = "aws";
    if (!has_endpoint) { /* Those before 1.29 and 2.13 do not read AWS_ENDPOINT_URL. */
        out[at++] = "--endpoint-url";
        out[at++] = api_endpoint();
    }
    for (int i = 0; i < count; i++) {
        out[at++] = words[i];
    }
    out[at] = NULL;
    env_apply();
    return out;
}

int cmd_aws(int argc, char **argv)
{
    struct option options[] = {{.name = NULL}};
    const char *words[WORDS_MAX + 4];
    struct arguments a;
    bool is_help = argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    if (is_help) { /* All else is for aws to read. */
        if (!options_parse(command_get("aws"), options, argc, argv, words, &a)) {
            return EXIT_USAGE;
        }
        print_error("leat aws kinesis list-streams", "leat aws takes what aws takes");
        return EXIT_USAGE;
    }
    err e = os_exec(env_aws_words(argc - 1, argv + 1, words));
    if (e == ERR_NOT_FOUND) {
        print_error("apt-get install awscli, or pip install awscli", "there is no aws in PATH");
    } else {
        print_error(NULL, "aws cannot be run");
    }
    return EXIT_ABSENT;
}
