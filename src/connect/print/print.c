/* connect/print/print.c: "[identifier> ]+I[1, NULL]" a line, as Flink's print connector writes. */
#include "connect/print/print.h"

#include <stdio.h>

enum { LINGER_MS = 0 };

struct print {
    str identifier;
    FILE *file;
    isize count;
};

static const struct connect_option options[] = {
    {"print-identifier", false, "Stands before each row."},
    {"standard-error", false, "Rows go to standard error (false)."},
    {"sink.parallelism", false, "Accepted without effect: one thread prints."},
    {NULL, false, NULL},
};

static err check(const struct connect_table *table, struct diag *diag)
{
    static const char *const booleans[] = {"true", "false", NULL};
    return connect_one_of(table, "standard-error", booleans, diag);
}

static const struct type *metadata(str key)
{
    (void)key;
    return NULL;
}

static err print_open(const struct connect_table *table, const struct connect_schema *schema,
                      const struct connect_env *env, void **out, struct connect_limits *limits_out,
                      struct diag *diag)
{
    (void)env;
    (void)diag;
    struct print *print = NEW(struct print);
    print->identifier = connect_get(table, "print-identifier", STR_EMPTY);
    print->file = connect_is_true(table, "standard-error") ? stderr : stdout;
    print->count = schema->count;
    *limits_out = (struct connect_limits){.bytes_max = 1 << 20, .linger_ms = LINGER_MS};
    *out = print;
    return OK;
}

static void print_close(void *sink)
{
    mem_free(sink);
}

static err encode(void *sink, const struct vec *cols, isize row, struct arena *scratch,
                  struct buf *key, struct buf *data, struct diag *diag)
{
    (void)key;
    (void)diag;
    const struct print *print = sink;
    if (print->identifier.len > 0) {
        buf_append(data, print->identifier);
        buf_append(data, STR("> "));
    }
    buf_append(data, STR("+I["));
    for (isize i = 0; i < print->count; i++) {
        struct value value;
        vec_get(&cols[i], row, scratch, &value);
        buf_append(data, i > 0 ? STR(", ") : STR_EMPTY);
        value_format(&value, data);
    }
    buf_append(data, STR("]"));
    return OK;
}

static enum connect_verdict deliver(void *sink, struct connect_batch *batch, struct diag *diag)
{
    const struct print *print = sink;
    struct connect_row row;
    while (batch->next(batch, &row)) {
        (void)fwrite(row.data.data, 1, (size_t)row.data.len, print->file);
        (void)fputc('\n', print->file);
    }
    if (fflush(print->file) != 0) {
        (void)diag_set(diag, ERR_IO, "CON020", "standard output cannot be written");
        clearerr(print->file);
        return CONNECT_RETRY;
    }
    return CONNECT_OK;
}

static const struct connect_sink_ops ops = {
    .open = print_open, .close = print_close, .encode = encode, .deliver = deliver};

const struct connector connect_print = {
    .name = "print",
    .roles = CONNECT_SINK_OUTSIDE,
    .options = options,
    .check = check,
    .metadata = metadata,
    .sink = &ops,
};
