/* cli/cmd_inbox.c: leat inbox: the mails that SNS wrote, sent or not. */
#include "cli/api.h"
#include "cli/commands.h"

#include <stdio.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 500, ID_BYTES = 24 };

static void mail_print(const struct json_value *mail)
{
    (void)printf("%6lld  ", (long long)json_get_i64(mail, STR("id"), 0));
    print_time_ms(json_get_i64(mail, STR("at_ms"), 0));
    (void)printf("  %-14.*s %-8.*s %-30.*s ", STR_ARG(json_get_text(mail, STR("region"))),
                 STR_ARG(json_get_text(mail, STR("state"))),
                 STR_ARG(json_get_text(mail, STR("to"))));
    print_plain(json_get_text(mail, STR("subject")), true);
    (void)putchar('\n');
    str error = json_get_text(mail, STR("error"));
    if (error.len > 0) {
        (void)printf("        %lld attempts: ", (long long)json_get_i64(mail, STR("attempts"), 0));
        print_plain(error, true);
        (void)putchar('\n');
    }
}

static int list(const char *region, i64 limit, bool is_json)
{
    struct arena arena = {0};
    str text, path = arena_printf(&arena, "/_aws/sns/inbox?limit=%lld&region=%s", (long long)limit,
                                  region == NULL ? "" : region);
    int code = api_call(&arena, "GET", (const char *)path.data, STR_EMPTY, &text);
    if (code == EXIT_OK && is_json) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
    } else if (code == EXIT_OK) {
        const struct json_value *body = json_parse_request(&arena, text);
        const struct json_value *mail = json_first(json_get(body, STR("messages")));
        if (mail == NULL) {
            (void)puts("no mails");
        } else {
            (void)printf("%6s  %-24s  %-14s %-8s %-30s %s\n", "ID", "AT", "REGION", "STATE", "TO",
                         "SUBJECT");
        }
        for (; mail != NULL; mail = json_next(mail)) {
            mail_print(mail);
        }
    }
    arena_deinit(&arena);
    return code;
}

static void mail_show(const struct json_value *mail)
{
    static const char *const names[] = {"region", "topic_arn", "protocol", "from",
                                        "to",     "subject",   "state",    "error"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        str value = json_get_text(mail, str_of(names[i]));
        if (value.len > 0) {
            (void)printf("%-10s ", names[i]);
            print_plain(value, true);
            (void)putchar('\n');
        }
    }
    (void)printf("%-10s ", "at");
    print_time_ms(json_get_i64(mail, STR("at_ms"), 0));
    (void)puts("\n");
    print_plain(json_get_text(mail, STR("body")), false);
    (void)putchar('\n');
}

static int show(const char *id, bool is_json)
{
    struct arena arena = {0};
    i64 number;
    if (str_to_i64(str_of(id), &number) != OK || number < 1) {
        print_error("leat inbox list shows the ids", "\"%s\" is no id of a mail", id);
        return EXIT_USAGE;
    }
    str text, path = arena_printf(&arena, "/_aws/sns/inbox/%lld", (long long)number);
    int code = api_call(&arena, "GET", (const char *)path.data, STR_EMPTY, &text);
    if (code == EXIT_OK && is_json) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
    } else if (code == EXIT_OK) {
        mail_show(json_parse_request(&arena, text));
    }
    arena_deinit(&arena);
    return code;
}

int cmd_inbox(int argc, char **argv)
{
    enum { REGION, LIMIT, OUTPUT };
    static const struct command command = {"inbox", "[list|show ID]",
                                           "List and show the mails of SNS.", cmd_inbox, false};
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Only this region; all regions else.", NULL, 0,
                    false},
        [LIMIT] = {"limit", OPTION_NUMBER, "N", "The newest N mails, at most 500 (50).", NULL,
                   LIST_DEFAULT, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: as the API answers.", NULL, 0,
                    false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    if (options[LIMIT].number < 1 || options[LIMIT].number > LIST_MAX) {
        print_error(NULL, "--limit is 1 to %d", LIST_MAX);
        return EXIT_USAGE;
    }
    const char *verb = a.count > 0 ? a.words[0] : "list";
    if (strcmp(verb, "list") == 0 && a.count <= 1) {
        return list(options[REGION].text, options[LIMIT].number, option_is_json(&options[OUTPUT]));
    }
    if (strcmp(verb, "show") == 0 && a.count == 2) {
        return show(a.words[1], option_is_json(&options[OUTPUT]));
    }
    return unknown_verb("inbox", "[list | show ID]", verb);
}
