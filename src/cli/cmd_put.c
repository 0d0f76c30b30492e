/* cli/cmd_put.c: leat stream put. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/record_put.h"
#include "os/process.h"
#include "stream/stream.h"

#include <errno.h>
#include <stdio.h>

enum { READ_BYTES = 256 << 10 };

struct put {
    struct record_put *out;
    str key, hash_key;
    const char *key_field;
    bool is_whole;
    u8 separator;
    i64 line;
    u64 file_bytes, read_bytes; /* The first 0: not known. */
};

/* The member's text; numbers as written. */
static bool key_of(struct put *p, struct arena *arena, str data, str *out)
{
    const struct json_value *record = json_parse_request(arena, data);
    const struct json_value *member = json_get(record, str_of(p->key_field));
    bool is_text = json_kind(member) == JSON_STRING || json_kind(member) == JSON_NUMBER;
    *out = json_text(member);
    if (json_kind(record) != JSON_OBJECT) {
        record_put_refuse(p->out, p->line, "is no JSON object that could have \"%s\"",
                          p->key_field);
    } else if (!is_text || out->len == 0) {
        record_put_refuse(p->out, p->line, "has no text or number \"%s\" at its top to be the key",
                          p->key_field);
    }
    return is_text && out->len > 0;
}

static void record_add(struct put *p, str data)
{
    struct arena arena = {0};
    struct record_put_record record = {
        .line = p->line, .key = p->key, .hash_key = p->hash_key, .data = data};
    if (data.len > RECORD_PUT_BYTES_MAX || p->key_field == NULL ||
        key_of(p, &arena, data, &record.key)) {
        record_put_add(p->out, &record);
    }
    arena_deinit(&arena);
}

/* The lines that are whole; what is left of `text` has no end yet. */
static void lines_add(struct put *p, struct buf *text, bool *is_passing)
{
    isize start = 0, end;
    while ((end = str_find_byte(buf_str(text), p->separator, start)) >= 0 &&
           record_put_goes_on(p->out)) {
        str line = str_slice(buf_str(text), start, end);
        bool has_return = p->separator == '\n' && line.len > 0 && line.data[line.len - 1] == '\r';
        line.len -= has_return;
        p->line += !*is_passing;
        if (line.len > 0 && !*is_passing) {
            record_add(p, line);
        }
        *is_passing = false;
        start = end + 1;
    }
    if (start > 0) {
        memmove(text->data, text->data + start, (size_t)(text->len - start));
        text->len -= start;
    }
    if (text->len > RECORD_PUT_BYTES_MAX + 1) { /* No longer kept: its end is looked for. */
        if (!*is_passing) {
            p->line++;
            record_add(p, buf_str(text));
        }
        *is_passing = true;
        buf_reset(text);
    }
}

/* Records of what is there already go together, none waits for more. */
static void input_put(struct put *p)
{
    struct buf text = {0};
    bool is_passing = false; /* Over the rest of a line that is too long. */
    isize got;
    do {
        u8 *room = buf_reserve(&text, READ_BYTES);
        got = os_input_read(room, READ_BYTES);
        text.len += MAX(got, 0);
        p->read_bytes += (u64)MAX(got, 0);
        if (!p->is_whole) {
            lines_add(p, &text, &is_passing);
            record_put_share(
                p->out, p->file_bytes == 0 ? -1 : (double)p->read_bytes / (double)p->file_bytes);
            record_put_flush(p->out);
        } else if (text.len > RECORD_PUT_BYTES_MAX) {
            break;
        }
    } while (got > 0 && record_put_goes_on(p->out));
    if (got < 0 && !os_interrupt_is_set()) {
        print_error(NULL, "cannot read the input: %s", strerror(errno));
        record_put_stop(p->out, EXIT_FAILED);
    } else if (text.len > 0 && !is_passing && (got == 0 || p->is_whole)) {
        p->line++;
        record_add(p, buf_str(&text));
    }
    buf_deinit(&text);
}

enum { REGION, KEY, KEY_FIELD, HASH_KEY, FILE_OPTION, WHOLE, NUL, OUTPUT };

/* What excludes what; NULL: all is well. */
static const char *wrong_of(const struct option *o, int words)
{
    if (words < 1) {
        return "leat stream put needs the name of a stream";
    }
    if (o[KEY].is_given && o[KEY_FIELD].is_given) {
        return "--key and --key-field exclude each other";
    }
    if (o[WHOLE].is_given && o[NUL].is_given) {
        return "--whole and --null exclude each other";
    }
    if (words > 1 && (o[WHOLE].is_given || o[NUL].is_given)) {
        return "--whole and --null are about a file or standard input, not words";
    }
    return o[FILE_OPTION].is_given && words > 1 ? "give records by --file or as words, not both"
                                                : NULL;
}

static bool keys_are_good(const struct option *o)
{
    if (o[KEY].is_given && !record_put_key_is_good(str_of(o[KEY].text))) {
        print_error(NULL, "a partition key has 1 to 256 characters of UTF-8");
        return false;
    }
    u128 hash;
    if (o[HASH_KEY].is_given && stream_hash_parse(str_of(o[HASH_KEY].text), &hash) != OK) {
        print_error("leat stream show NAME lists the hash keys of the shards",
                    "--hash-key is a whole number from 0 to 2^128 - 1, not \"%s\"",
                    o[HASH_KEY].text);
        return false;
    }
    return true;
}

static int put_all(struct put *p, const struct arguments *a)
{
    if (a->count > 1) {
        for (int i = 1; i < a->count; i++) {
            p->line = i;
            record_add(p, str_of(a->words[i]));
        }
    } else {
        input_put(p);
    }
    int code = record_put_end(p->out, p->line);
    record_put_free(p->out);
    return code;
}

/* Standard input becomes the file. */
static int file_take(const char *file, u64 *bytes_out)
{
    struct os_stat stat;
    if (strcmp(file, "-") == 0) {
        return EXIT_OK;
    }
    if (os_stat_path(os_real(), file, &stat) == OK && stat.kind == OS_DIR) {
        print_error(NULL, "cannot read %s: it is a directory", file);
        return EXIT_USAGE;
    }
    if (freopen(file, "re", stdin) == NULL) {
        print_error(NULL, "cannot read %s: %s", file, strerror(errno));
        return EXIT_ABSENT;
    }
    *bytes_out = os_stat_path(os_real(), file, &stat) == OK ? stat.bytes : 0;
    return EXIT_OK;
}

int cmd_stream_put(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [KEY] = {"key", OPTION_TEXT, "KEY", "Partition key of all; else a random one for each.",
                 NULL, 0, false},
        [KEY_FIELD] = {"key-field", OPTION_TEXT, "NAME",
                       "Partition key: this member of each record.", NULL, 0, false},
        [HASH_KEY] = {"hash-key", OPTION_TEXT, "NUMBER",
                      "Explicit hash key of all: the shard, whatever the keys.", NULL, 0, false},
        [FILE_OPTION] = {"file", OPTION_TEXT, "FILE", "Records from a file, one a line.", NULL, 0,
                         false},
        [WHOLE] = {"whole", OPTION_FLAG, NULL, "The input is one record, line feeds and all.", NULL,
                   0, false},
        [NUL] = {"null", OPTION_FLAG, NULL, "NUL bytes end the records, not line feeds.", NULL, 0,
                 false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|ndjson",
                    "json: shard and sequence number of each, a line per request.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream put"), options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    if (a.count == 2 && strcmp(a.words[1], "-") == 0) {
        a.count = 1; /* Standard input, as everywhere. */
    }
    const char *wrong = wrong_of(options, a.count);
    if (wrong != NULL || !keys_are_good(options)) {
        if (wrong != NULL) {
            print_error("leat stream put NAME [DATA...] [--key KEY]", "%s", wrong);
        }
        return EXIT_USAGE;
    }
    struct put p = {
        .key = options[KEY].text == NULL ? STR_EMPTY : str_of(options[KEY].text),
        .hash_key = options[HASH_KEY].text == NULL ? STR_EMPTY : str_of(options[HASH_KEY].text),
        .key_field = options[KEY_FIELD].text,
        .is_whole = options[WHOLE].is_given,
        .separator = options[NUL].is_given ? '\0' : '\n',
    };
    int code = options[FILE_OPTION].is_given ? file_take(options[FILE_OPTION].text, &p.file_bytes)
                                             : EXIT_OK;
    if (code != EXIT_OK) {
        return code;
    }
    struct record_put_options out = {
        .stream = a.words[0],
        .region = api_region(&options[REGION]),
        .noun = a.count > 1 || p.is_whole || p.separator == '\0' ? "record" : "line",
        .is_json = options[OUTPUT].is_given && options[OUTPUT].text[0] != 't',
    };
    p.out = record_put_new(&out);
    os_interrupt_catch();
    return put_all(&p, &a);
}
