/* cli/doctor.h: shared by the files of leat doctor. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "base/arena.h"

enum outcome { GOOD, WARNING, BAD };

struct doctor {
    bool is_json, has_failed;
    int count;
    const char *data_dir;
    u16 port;
    bool is_running; /* A leat answers at the endpoint. */
    struct arena arena;
};

/* One line, or one object with --output json. `fix` may be NULL. BAD makes doctor fail. */
void doctor_report(struct doctor *d, enum outcome outcome, const char *name, const char *fix,
                   const char *format, ...) PRINTF(5, 6);

/* Reads every frame of the log in the data directory, which nobody has open, and says what is
 * lost; with `is_salvaging` makes it startable first. */
void doctor_check_log(struct doctor *d, bool is_salvaging);
/* The same for databases and snapshots; mends nothing. */
void doctor_check_files(struct doctor *d);

#endif
