/*
 * cli/export_file.h: where an export is written to: standard output, or a file that appears under
 * its name when it is whole and durable. Compressed as its name ends (".gz", ".zst").
 */
#ifndef CLI_EXPORT_FILE_H
#define CLI_EXPORT_FILE_H

#include "base/buf.h"
#include "base/diag.h"

struct export_file;
/* "-" is standard output. Writes beside the file, in "PATH.part". ERR_EXISTS unless `replaces`;
 * ERR_IN_USE: another export writes there; and those of os_open. */
MUST_USE err export_file_open(const char *path, bool replaces, struct export_file **out,
                              struct diag *diag);
/* ERR_CLOSED: standard output was closed by its reader. */
MUST_USE err export_file_write(struct export_file *file, str text, struct diag *diag);
/* Makes it durable and gives it its name. */
MUST_USE err export_file_finish(struct export_file *file, struct diag *diag);
u64 export_file_bytes(const struct export_file *file); /* Written so far. */
/* Removes what was written unless it was finished. */
void export_file_free(struct export_file *file);

#endif
