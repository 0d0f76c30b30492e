/* cli/progress.h: one line on a terminal's standard error that tells how far a command is. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/base.h"
#include "base/buf.h"

struct progress {
    bool is_terminal, has_line;
    u64 shown_ns;
};

void progress_init(struct progress *p);
/* Is it time to show something new? Never without a terminal. */
bool progress_is_due(struct progress *p);
/* Replaces the line. */
void progress_show(struct progress *p, const char *format, ...) PRINTF(2, 3);
/* Takes the line away, before something else is printed. */
void progress_clear(struct progress *p);
/* "12.3 MiB" into `out`; returns `out`. */
enum { PROGRESS_BYTES_CHARS = 32 };
const char *progress_bytes(u64 bytes, char out[PROGRESS_BYTES_CHARS]);
/* "[#####-----]  50%", nothing when the share (0 to 1) is negative. */
enum { PROGRESS_BAR_CHARS = 40 };
const char *progress_bar(double share, char out[PROGRESS_BAR_CHARS]);

#endif
