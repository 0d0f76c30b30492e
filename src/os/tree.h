/* os/tree.h: whole directories: a second name for each file, removing, making durable. */
#ifndef OS_TREE_H
#define OS_TREE_H

#include "os/os.h"

enum { OS_TREE_PATH_MAX = 4096 }; /* Longer paths are ERR_RANGE. */

/* Gives each file under `from` another name under `to`, which is made when absent. Files that end
 * in ".tmp" are left out, and what is gone, or has its name already, is no error. */
MUST_USE err os_tree_link(struct os *os, const char *from, const char *to);
/* Removes a file, or a directory with all that is in it. OK when there is none. */
MUST_USE err os_tree_remove(struct os *os, const char *path);
/* Makes the names in a directory and those below it durable; not the bytes of files. */
MUST_USE err os_tree_sync(struct os *os, const char *dir);

#endif
