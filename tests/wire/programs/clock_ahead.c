/* Preloaded into a server: its wall clock is CLOCK_AHEAD_S seconds ahead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int status = real(clock, out);
    const char *ahead = getenv("CLOCK_AHEAD_S");
    if (status == 0 && clock == CLOCK_REALTIME && ahead != NULL) {
        out->tv_sec += atol(ahead);
    }
    return status;
}
