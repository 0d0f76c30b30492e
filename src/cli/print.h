/* cli/print.h: what commands tell people: errors, and text that others wrote. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include "base/base.h"
#include "base/str.h"

/* "error: ..." on standard error, red on a terminal; `hint` may be NULL. After print_errors_as_json
 * it is one line {"error":{"message","hint"}}. */
void print_error(const char *hint, const char *format, ...) PRINTF(2, 3);
/* What is no error, on standard error; after print_errors_as_json a line {"note"}. */
void print_note(const char *format, ...) PRINTF(1, 2);
void print_errors_as_json(void);
bool print_errors_are_json(void);

/* What others wrote: nothing in it may steer the terminal. Line feeds and tabs are kept unless
 * is_one_line. */
void print_plain(str text, bool is_one_line);
/* "2026-11-24T10:00:00.123" */
void print_time_ms(i64 ms);

#endif
