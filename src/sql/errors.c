/* sql/errors.c: codes, titles and explanations from sql_errors.def. */
#include "sql/sql_int.h"

#include <stdarg.h>
#include <stdio.h>

#define INIT_STR(literal)                                 \
    {                                                     \
        (const u8 *)(literal), (isize)sizeof(literal) - 1 \
    }

static const struct sql_error_info infos[] = {
#define SQL_ERROR(id, code, error, title, text) {INIT_STR(code), INIT_STR(title), INIT_STR(text)},
#include "sql/sql_errors.def"
#undef SQL_ERROR
};

static const err errs[] = {
#define SQL_ERROR(id, code, error, title, text) error,
#include "sql/sql_errors.def"
#undef SQL_ERROR
};

isize sql_error_list(const struct sql_error_info **out)
{
    *out = infos;
    return COUNT_OF(infos);
}

const struct sql_error_info *sql_error_find(str code)
{
    for (isize i = 0; i < COUNT_OF(infos); i++) {
        if (str_eq_nocase(infos[i].code, code)) {
            return &infos[i];
        }
    }
    return NULL;
}

err sql__fail(struct diag *diag, enum sql_error id, struct sql_span span, const char *format, ...)
{
    if (diag == NULL || diag_is_set(diag)) {
        return errs[id];
    }
    char message[sizeof diag->message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err e = diag_set(diag, errs[id], (const char *)infos[id].code.data, "%s", message);
    diag_span(diag, span.start, span.len);
    return e;
}

void sql__suggest(struct diag *diag, str name, const str *candidates, isize count)
{
    str near = diag_nearest(name, candidates, count);
    if (near.len > 0) {
        diag_label(diag, "did you mean `" STR_FMT "`?", STR_ARG(near));
    }
}
