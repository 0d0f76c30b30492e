/* cli/error_codes.c: codes of SQL have a text each, the others one for each part of leat. */
#include "cli/error_codes.h"

#include "cli/options.h"
#include "sql/sql.h"

#include <stdio.h>

static const struct {
    const char *prefix, *title, *page;
} parts[] = {
    {"API", "a request to leat's own API", "docs/api.md"},
    {"BAK", "a backup or its restoring", "docs/backup.md"},
    {"CBOR", "bytes that should be CBOR", "docs/services/kinesis.md"},
    {"CMP", "compressed bytes", "docs/connectors/filesystem.md"},
    {"CON", "a table's options, or what its connector reads and writes",
     "docs/connectors/README.md"},
    {"CSV", "bytes that should be CSV", "docs/sql/csv.md"},
    {"CW", "the store of metrics", "docs/services/cloudwatch.md"},
    {"DDB", "the store of DynamoDB's tables", "docs/services/dynamodb.md"},
    {"ENG", "jobs, tables and queries", "docs/internals/steps.md"},
    {"EXP", "a file of records", "docs/formats/export.md"},
    {"FEED", "a replay, or a request to AWS", "docs/replay.md"},
    {"JSON", "bytes that should be JSON", "docs/sql/json.md"},
    {"LOG", "the data directory", "docs/formats/log.md"},
    {"NET", "ports and connections", "docs/limits.md"},
    {"SNS", "the store of topics and mails", "docs/services/sns.md"},
    {"SRV", "how the server was started", "docs/cli.md"},
    {"TLS", "certificates and keys", "docs/tls.md"},
};

static str letters_of(str code)
{
    isize n = 0;
    while (n < code.len && code.data[n] >= 'A' && code.data[n] <= 'Z') {
        n++;
    }
    return str_slice(code, 0, n);
}

bool error_code_is(str word)
{
    str letters = letters_of(word), digits = str_slice(word, letters.len, word.len);
    bool is_code = letters.len >= 2 && (digits.len == 3 || digits.len == 4);
    for (isize i = 0; i < digits.len; i++) {
        is_code = is_code && digits.data[i] >= '0' && digits.data[i] <= '9';
    }
    return is_code;
}

int error_code_explain(str code)
{
    const struct sql_error_info *info = sql_error_find(code);
    if (info != NULL) {
        (void)printf(STR_FMT ": " STR_FMT "\n\n" STR_FMT "\n", STR_ARG(info->code),
                     STR_ARG(info->title), STR_ARG(info->text));
        return EXIT_OK;
    }
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        if (str_eq(letters_of(code), str_of(parts[i].prefix))) {
            (void)printf(STR_FMT
                         ": %s\n\nThe message says what is wrong and where, its help what to "
                         "do; %s has more.\n",
                         STR_ARG(code), parts[i].title, parts[i].page);
            return EXIT_OK;
        }
    }
    print_error("docs/sql/errors.md lists those of SQL", "there is no explanation of " STR_FMT,
                STR_ARG(code));
    return EXIT_ABSENT;
}
