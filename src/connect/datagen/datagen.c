/*
 * connect/datagen/datagen.c: rows at a rate. Row number n of a seed is always the same, but
 * for times; seed, number and start stand in the position, so that a restart goes on.
 */
#include "base/hash.h"
#include "connect/common/options.h"
#include "connect/datagen/datagen_int.h"

#include <stdio.h>

enum { RATE = 10000, RATE_MAX = 100000000, TICK_MS = 100 };

static const struct connect_option options[] = {
    {"rows-per-second", false, "Rate (10000)."},
    {"number-of-rows", false, "The source ends after them; absent: it never ends."},
    {"fields.*.kind", false, "random (default) or sequence."},
    {"fields.*.min", false, "Least random number; of the type when absent."},
    {"fields.*.max", false, "Greatest random number; of the type when absent."},
    {"fields.*.max-past", false, "How far a random time lies back (0)."},
    {"fields.*.length", false, "Of random text and bytes (100)."},
    {"fields.*.var-len", false, "Random lengths up to that (false)."},
    {"fields.*.null-rate", false, "Share of NULLs, 0 to 1 (0)."},
    {"fields.*.start", false, "Of a sequence."},
    {"fields.*.end", false, "Of a sequence, which ends the source."},
    {"seed", false, "leat: the same seed makes the same rows; absent: a random one."},
    {NULL, false, NULL},
};

struct datagen {
    const struct connect_env *env;
    struct datagen_field *fields;
    struct connect_schema schema;
    struct connect_format format;
    struct connect_writer *writer;
    struct arena arena;
    i64 rate, rows_max, seed;
    bool has_seed;
    i64 due_us; /* When the next row is due; after a stop nothing is caught up. */
};

static err check(const struct connect_table *table, struct diag *diag)
{
    i64 number;
    TRY(connect_get_number(table, "rows-per-second", 1, RATE_MAX, &number, diag));
    TRY(connect_get_number(table, "number-of-rows", 1, INT64_MAX, &number, diag));
    return connect_get_number(table, "seed", INT64_MIN, INT64_MAX, &number, diag);
}

static const struct type *metadata(str key)
{
    (void)key;
    return NULL;
}

static void datagen_close(void *source)
{
    struct datagen *gen = source;
    if (gen != NULL) {
        connect_writer_free(gen->writer);
        arena_deinit(&gen->arena);
        mem_free(gen);
    }
}

/* Options of columns that the table does not have. */
static err names_check(const struct datagen *gen, const struct connect_table *table,
                       struct diag *diag)
{
    for (isize i = 0; i < table->option_count; i++) {
        str rest = table->options[i].key;
        if (!str_starts(rest, STR("fields."))) {
            continue;
        }
        rest = str_slice(rest, 7, str_rfind_byte(rest, '.'));
        bool is_known = false;
        for (isize c = 0; c < gen->schema.count && !is_known; c++) {
            is_known = str_eq(rest, gen->schema.fields[c].name);
        }
        if (!is_known) {
            return diag_set(diag, ERR_NOT_FOUND, "CON093",
                            "option '" STR_FMT "' is of no column of the table",
                            STR_ARG(table->options[i].key));
        }
    }
    return OK;
}

static err fields_read(struct datagen *gen, const struct connect_table *table, struct diag *diag)
{
    gen->rate = RATE;
    gen->rows_max = INT64_MAX;
    TRY(connect_get_number(table, "rows-per-second", 1, RATE_MAX, &gen->rate, diag));
    TRY(connect_get_number(table, "number-of-rows", 1, INT64_MAX, &gen->rows_max, diag));
    TRY(connect_get_number(table, "seed", INT64_MIN, INT64_MAX, &gen->seed, diag));
    gen->has_seed = connect_get(table, "seed", STR_EMPTY).len > 0;
    TRY(names_check(gen, table, diag));
    gen->fields = ARENA_ARRAY(&gen->arena, struct datagen_field, MAX(gen->schema.count, 1));
    for (isize i = 0; i < gen->schema.count; i++) {
        TRY(datagen_field_read(table, &gen->schema.fields[i], &gen->fields[i], diag));
        gen->rows_max = MIN(gen->rows_max, datagen_field_rows(&gen->fields[i]));
    }
    return OK;
}

static err datagen_open(const struct connect_table *table, const struct connect_schema *schema,
                        const struct connect_env *env, void **out, struct diag *diag)
{
    struct datagen *gen = NEW(struct datagen);
    gen->env = env;
    gen->schema = *schema;
    err e = fields_read(gen, table, diag);
    if (e != OK) {
        datagen_close(gen);
        return e;
    }
    gen->format = (struct connect_format){.kind = CONNECT_FORMAT_JSON};
    gen->writer = connect_writer_new(&gen->format, schema->fields, schema->count);
    *out = gen;
    return OK;
}

static void place_read(const struct datagen *gen, str position, u64 *seed, u64 *number)
{
    *number = 0;
    *seed = (u64)gen->seed;
    if (varint_take(&position, seed) == OK && varint_take(&position, number) == OK) {
        return;
    }
    if (!gen->has_seed) {
        os_random(gen->env->os, seed, (isize)sizeof *seed);
    }
}

static void rows_make(const struct datagen *gen, u64 seed, u64 number, isize count,
                      struct arena *arena, struct connect_poll *out)
{
    i64 now_us = os_wall_us(gen->env->os);
    struct vec *cols = ARENA_ARRAY(arena, struct vec, MAX(gen->schema.count, 1));
    for (isize i = 0; i < gen->schema.count; i++) {
        vec_init(&cols[i], arena, gen->schema.fields[i].type, count, true);
    }
    out->messages = ARENA_ARRAY(arena, str, count);
    struct buf text = {0};
    for (isize row = 0; row < count; row++) {
        struct rng rng;
        u64 at = number + (u64)row;
        rng_init(&rng, hash64(&at, 8, seed));
        for (isize i = 0; i < gen->schema.count; i++) {
            datagen_field_set(&gen->fields[i], at, now_us, &rng, arena, &cols[i], row);
        }
        buf_reset(&text);
        connect_writer_row(gen->writer, cols, row, arena, &text);
        out->messages[row] = arena_copy(arena, buf_str(&text));
    }
    buf_deinit(&text);
    out->count = count;
}

static u32 pace(struct datagen *gen, isize count)
{
    i64 now_us = os_wall_us(gen->env->os);
    bool is_late = gen->due_us < now_us - 1000000 || gen->due_us > now_us + 3600LL * 1000000;
    gen->due_us = (is_late ? now_us : gen->due_us) + (i64)count * 1000000 / gen->rate;
    return (u32)(MAX(gen->due_us - now_us, 0) / 1000);
}

static enum connect_verdict poll(void *source, str position, struct arena *arena,
                                 struct connect_poll *out, struct diag *diag)
{
    (void)diag;
    struct datagen *gen = source;
    u64 seed, number;
    place_read(gen, position, &seed, &number);
    /* A tick's rows, or at a low rate one. */
    i64 share = MAX(gen->rate * TICK_MS / 1000, 1);
    i64 left = gen->rows_max - (i64)number;
    isize row_bytes = 64 * MAX(gen->schema.count, 1);
    for (isize i = 0; i < gen->schema.count; i++) {
        row_bytes += (isize)gen->fields[i].length;
    }
    i64 most = MAX(CONNECT_POLL_BYTES_MAX / row_bytes, 1);
    isize count = (isize)MIN(MIN(share, left), MIN(most, BATCH_ROWS_MAX));
    rows_make(gen, seed, number, MAX(count, 0), arena, out);
    number += (u64)MAX(count, 0);
    struct buf text = {0};
    buf_append_varint(&text, seed);
    buf_append_varint(&text, number);
    out->position = arena_copy(arena, buf_str(&text));
    buf_deinit(&text);
    out->is_end = (i64)number >= gen->rows_max;
    out->wait_ms = pace(gen, count);
    return CONNECT_OK;
}

static const struct connect_source_ops ops = {
    .open = datagen_open, .close = datagen_close, .poll = poll};

const struct connector connect_datagen = {
    .name = "datagen",
    .roles = CONNECT_SOURCE_LANDED,
    .options = options,
    .check = check,
    .metadata = metadata,
    .source = &ops,
};
