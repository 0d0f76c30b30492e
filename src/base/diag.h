/*
 * base/diag.h: the detail of one failure, for people. The caller owns it and
 * passes it down; the first writer wins. The err code says what kind, the diag
 * says what, where, what was expected, and what to do.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/base.h"
#include "base/str.h"

struct diag {
    char code[16];      /* "SQL0142", "LOG0003"; empty when unset. */
    char message[1024]; /* What happened, lower case, no full stop, names in quotes. */
    char label[160];    /* Short text beside the caret; may be empty. */
    char hint[512];     /* What to do; may be empty. */
    char origin[256];   /* File or object that the span points into; may be empty. */
    isize span_start;   /* Byte offset into the source text; -1 when there is none. */
    isize span_len;
};

void diag_init(struct diag *diag);
bool diag_is_set(const struct diag *diag);
/* Sets code and message unless one is set already. `diag` may be NULL. Returns `e`, so that
 * `return diag_set(...)` reads well. */
err diag_set(struct diag *diag, err e, const char *code, const char *format, ...) PRINTF(4, 5);
/* Adds to the diag that was set last; no-ops when NULL. A second hint is ignored. */
void diag_span(struct diag *diag, isize start, isize len);
void diag_label(struct diag *diag, const char *format, ...) PRINTF(2, 3);
void diag_hint(struct diag *diag, const char *format, ...) PRINTF(2, 3);

/* For what a newer leat has written, so that all of them say the same; both return ERR_VERSION.
 * `what` is a file's name in quotes, or of what it is a part. */
err diag_set_newer(struct diag *diag, const char *code, const char *what, u64 found, u64 known);
err diag_set_unknown_kind(struct diag *diag, const char *code, const char *what, u64 kind);

/* Did-you-mean: the candidate nearest to `name`, or STR_EMPTY when none is near enough. */
str diag_nearest(str name, const str *candidates, isize count);

struct buf;
/* Writes the error as rustc would: code, message, file:line:column, source line, caret, label,
 * hint. `source` is the text that the span points into (may be empty). Colour only if asked. */
void diag_render(const struct diag *diag, str source, bool has_colour, struct buf *out);

#endif
