/* cli/main.c: finds the command and runs it. */
#include "cli/dispatch.h"
#include "cli/env.h"
#include "cli/options.h"
#include "net/client.h"
#include "os/os.h"
#include "os/process.h"

#include <stdio.h>

/* What was printed but could not be written is no success; a reader that has ended is, and so is
 * Ctrl-C, which may cut a write short. */
static int output_check(int code)
{
    bool is_written = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (is_written || code != EXIT_OK || os_output_is_closed() || os_interrupt_is_set()) {
        return code;
    }
    print_error(NULL, "standard output cannot be written");
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const char *failpoints = os_getenv("LEAT_FAILPOINT");
    if (failpoints != NULL) {
        os_failpoint_arm(failpoints);
    }
    if (env_ca_bundle() != NULL) {
        net_client_trust(env_ca_bundle());
    }
    return output_check(cli_dispatch(argc, argv));
}
