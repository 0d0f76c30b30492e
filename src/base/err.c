/* base/err.c: names of errors, failed checks, and memory that is always there. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    int http;
    const char *text;
} errors[] = {
#define ERR(name, http, text) {#name, http, text},
#include "base/err.def"
#undef ERR
};

const char *err_name(err e)
{
    CHECK(e >= 0 && e < ERR_COUNT);
    return errors[e].name;
}

const char *err_text(err e)
{
    CHECK(e >= 0 && e < ERR_COUNT);
    return errors[e].text;
}

int err_http_status(err e)
{
    CHECK(e >= 0 && e < ERR_COUNT);
    return errors[e].http;
}

void check_failed(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "leat: check failed at %s:%d: %s\n", file, line, expr);
    (void)fflush(stderr);
    abort();
}

void *mem_must(void *data, isize bytes)
{
    if (data == NULL && bytes > 0) {
        (void)fprintf(stderr, "leat: out of memory, %td bytes asked for\n", bytes);
        abort();
    }
    return data;
}

void *mem_alloc(isize bytes)
{
    CHECK(bytes >= 0);
    return mem_must(malloc((size_t)bytes), bytes);
}

void *mem_zalloc(isize bytes)
{
    CHECK(bytes >= 0);
    return mem_must(calloc(1, (size_t)bytes), bytes);
}

void *mem_resize(void *data, isize bytes)
{
    CHECK(bytes > 0);
    return mem_must(realloc(data, (size_t)bytes), bytes);
}

void mem_free(void *data)
{
    free(data);
}
