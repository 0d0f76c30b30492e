/* cli/retry.h: how long a command goes on asking while nothing moves: pauses that double, a minute.
 */
#ifndef CLI_RETRY_H
#define CLI_RETRY_H

#include "base/base.h"

struct retry { /* All zero: nothing has failed. */
    u64 since_ns;
    u32 pause_ms;
};

/* Something moved. */
void retry_reset(struct retry *r);
/* Waits before the next try. False at once when it took too long, or Ctrl-C was pressed. */
bool retry_pause(struct retry *r);

#endif
