/* cli/retry.c */
#include "cli/retry.h"

#include "os/os.h"
#include "os/process.h"

enum {
    PAUSE_MS = 50,
    PAUSE_MS_MAX = 1000,
    PATIENCE_MS = 60000,
    NS_PER_MS = 1000000,
};

void retry_reset(struct retry *r)
{
    *r = (struct retry){0};
}

bool retry_pause(struct retry *r)
{
    u64 now = os_mono_ns(os_real());
    r->since_ns = r->since_ns == 0 ? now : r->since_ns;
    r->pause_ms = r->pause_ms == 0 ? PAUSE_MS : MIN(r->pause_ms * 2, PAUSE_MS_MAX);
    if (now - r->since_ns > (u64)PATIENCE_MS * NS_PER_MS || os_interrupt_is_set()) {
        return false;
    }
    os_sleep_ms(os_real(), r->pause_ms);
    return true;
}
