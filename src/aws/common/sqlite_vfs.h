/* aws/common/sqlite_vfs.h: SQLite's view of files, clock and randomness, over os/. */
#ifndef AWS_COMMON_SQLITE_VFS_H
#define AWS_COMMON_SQLITE_VFS_H

#include "os/os.h"

/* Name of a VFS over `os`, registered at the first call for it; lives for the process. Files are
 * for one process and one connection: locks are the caller's business. Any thread. */
const char *sqlite_vfs_name(struct os *os);

#endif
