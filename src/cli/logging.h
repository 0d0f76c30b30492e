/* cli/logging.h: how the server's diagnostics look (docs/logs.md). */
#ifndef CLI_LOGGING_H
#define CLI_LOGGING_H

#include "base/base.h"

/* NULL: what LEAT_LOG and LEAT_LOG_LEVEL say, else text and info. Prints an error and returns false
 * when a name is unknown. */
bool logging_configure(const char *format, const char *level);

#endif
