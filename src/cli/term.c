/* cli/term.c */
#include "cli/term.h"

#include "os/os.h"

#include <string.h>

bool term_has_colour(int fd)
{
    const char *term = os_getenv("TERM");
    bool is_dumb = term == NULL || strcmp(term, "dumb") == 0;
    return os_is_terminal(fd) && os_getenv("NO_COLOR") == NULL && !is_dumb;
}
