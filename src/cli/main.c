/* cli/main.c: finds the command and runs it. */
#include "cli/dispatch.h"
#include "cli/env.h"
#include "net/client.h"
#include "os/os.h"

int main(int argc, char **argv)
{
    const char *failpoints = os_getenv("LEAT_FAILPOINT");
    if (failpoints != NULL) {
        os_failpoint_arm(failpoints);
    }
    if (env_ca_bundle() != NULL) {
        net_client_trust(env_ca_bundle());
    }
    return cli_dispatch(argc, argv);
}
