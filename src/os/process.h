/* os/process.h: other programs, and Ctrl-C of a program that asks. For cli only. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include "base/buf.h"

/* Becomes the program found on PATH; returns only when it cannot (ERR_NOT_FOUND, ERR_IO). */
MUST_USE err os_exec(const char *const *argv);
/* Runs a program to its end without input; standard output and error go to `out`, which has a limit
 * of 64 KiB. ERR_NOT_FOUND when there is none of that name, ERR_TIMEOUT after `timeout_ms` (it is
 * killed). */
MUST_USE err os_run(const char *const *argv, u32 timeout_ms, struct buf *out, int *code_out);
/* Is a program of that name on PATH? */
bool os_program_exists(const char *name);

/* From now on Ctrl-C (or SIGTERM) sets a flag instead of ending the process; a second one before
 * os_interrupt_clear ends it with 130. */
void os_interrupt_catch(void);
bool os_interrupt_is_set(void);
void os_interrupt_clear(void);

/* Reads what is there on standard input, waiting for at least a byte; 0 = its end, -1 = failed. */
isize os_input_read(void *data, isize bytes);

/* Reads one byte of standard input: 1; 0 = its end, -1 = failed, or Ctrl-C was pressed, be it
 * before the call or in it. */
int os_key_read(u8 *out);

/* Does nobody read standard output any more (a pipe whose reader has ended)? */
bool os_output_is_closed(void);

#endif
