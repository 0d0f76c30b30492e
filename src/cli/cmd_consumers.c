/* cli/cmd_consumers.c: leat stream consumers. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/kinesis_client.h"

#include <stdio.h>

enum { REGION, REGISTER, DEREGISTER, OUTPUT };

struct consumers {
    struct aws_client *client;
    struct arena arena;
    str stream_arn;
    bool is_json;
};

static void print_json(const struct json_value *value)
{
    struct buf text = {0};
    api_put_json(&text, value);
    (void)printf(STR_FMT, STR_ARG(buf_str(&text)));
    buf_deinit(&text);
}

/* {"StreamARN":...,"ConsumerName":...,"NextToken":...}, those that are not empty. */
static int call(struct consumers *c, const char *operation, str name, str token,
                const struct json_value **out)
{
    struct buf body = {0};
    buf_append_byte(&body, '{');
    api_member(&body, "StreamARN", c->stream_arn);
    api_member(&body, "ConsumerName", name);
    api_member(&body, "NextToken", token);
    buf_append_byte(&body, '}');
    int code = kinesis_call(c->client, &c->arena, operation, buf_str(&body), out);
    buf_deinit(&body);
    return code;
}

static void print_consumer(const struct json_value *consumer)
{
    double seconds = 0;
    IGNORE(str_to_f64(json_text(json_get(consumer, STR("ConsumerCreationTimestamp"))), &seconds) !=
           OK); /* Then it shows as 1970. */
    (void)printf("%-32.*s %-9.*s ", STR_ARG(json_get_text(consumer, STR("ConsumerName"))),
                 STR_ARG(json_get_text(consumer, STR("ConsumerStatus"))));
    print_time_ms((i64)(seconds * 1000 + 0.5));
    (void)printf("  " STR_FMT "\n", STR_ARG(json_get_text(consumer, STR("ConsumerARN"))));
}

/* A page: rows, or members of the array. */
static void print_page(const struct consumers *c, const struct json_value *page, bool is_first)
{
    const struct json_value *consumer = json_first(json_get(page, STR("Consumers")));
    if (c->is_json && is_first) {
        (void)fputs("{\"Consumers\":[", stdout);
    } else if (is_first && consumer == NULL) {
        (void)puts("no consumers: leat stream consumers NAME --register CONSUMER makes one");
    } else if (is_first) {
        (void)printf("%-32s %-9s %-23s  %s\n", "CONSUMER", "STATUS", "REGISTERED", "ARN");
    }
    for (; consumer != NULL; consumer = json_next(consumer)) {
        if (c->is_json) {
            (void)fputs(is_first ? "\n" : ",\n", stdout);
            print_json(consumer);
            is_first = false;
        } else {
            print_consumer(consumer);
        }
    }
}

static int list(struct consumers *c)
{
    str token = STR_EMPTY;
    bool is_first = true;
    do {
        const struct json_value *page = NULL;
        int code = call(c, "ListStreamConsumers", STR_EMPTY, token, &page);
        if (code != EXIT_OK) {
            return code;
        }
        print_page(c, page, is_first);
        token = json_get_text(page, STR("NextToken"));
        is_first = false;
    } while (token.len > 0);
    if (c->is_json) {
        (void)puts("]}");
    }
    return EXIT_OK;
}

static int enlist(struct consumers *c, const char *name)
{
    const struct json_value *answer = NULL;
    int code = call(c, "RegisterStreamConsumer", str_of(name), STR_EMPTY, &answer);
    if (code != EXIT_OK) {
        return code;
    }
    const struct json_value *consumer = json_get(answer, STR("Consumer"));
    if (c->is_json) {
        print_json(consumer);
        (void)putchar('\n');
    } else {
        (void)printf("registered " STR_FMT "\n",
                     STR_ARG(json_get_text(consumer, STR("ConsumerARN"))));
    }
    return EXIT_OK;
}

static int delist(struct consumers *c, const char *name)
{
    const struct json_value *answer = NULL;
    int code = call(c, "DeregisterStreamConsumer", str_of(name), STR_EMPTY, &answer);
    if (code == EXIT_OK) {
        (void)printf(c->is_json ? "{\"deregistered\":\"%s\"}\n" : "deregistered %s\n", name);
    }
    return code;
}

int cmd_stream_consumers(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [REGISTER] = {"register", OPTION_TEXT, "CONSUMER", "Register one of this name.", NULL, 0,
                      false},
        [DEREGISTER] = {"deregister", OPTION_TEXT, "CONSUMER",
                        "Deregister it; its subscriptions end.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: one object.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream consumers"), options, argc, argv, words, &a) ||
        !arguments_one("stream consumers", "NAME", &a)) {
        return EXIT_USAGE;
    }
    if (options[REGISTER].is_given && options[DEREGISTER].is_given) {
        print_error(NULL, "--register and --deregister exclude each other");
        return EXIT_USAGE;
    }
    bool is_unnamed = (options[REGISTER].is_given && options[REGISTER].text[0] == '\0') ||
                      (options[DEREGISTER].is_given && options[DEREGISTER].text[0] == '\0');
    if (is_unnamed) {
        print_error("leat stream consumers NAME --register CONSUMER",
                    "a consumer has a name of 1 to 128 letters, digits, '_', '.' and '-'");
        return EXIT_USAGE;
    }
    struct consumers c = {.client = kinesis_client_new(api_region(&options[REGION])),
                          .is_json = option_is_json(&options[OUTPUT])};
    int code = kinesis_stream_arn(c.client, &c.arena, a.words[0], &c.stream_arn);
    if (code == EXIT_OK && options[REGISTER].is_given) {
        code = enlist(&c, options[REGISTER].text);
    } else if (code == EXIT_OK && options[DEREGISTER].is_given) {
        code = delist(&c, options[DEREGISTER].text);
    } else if (code == EXIT_OK) {
        code = list(&c);
    }
    aws_client_free(c.client);
    arena_deinit(&c.arena);
    return code;
}
