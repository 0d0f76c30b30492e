/* cli/term.c */
#include "cli/term.h"

#include "os/os.h"

#include <string.h>

static enum term_colour wanted = TERM_COLOUR_AUTO;

void term_set_colour(enum term_colour colour)
{
    wanted = colour;
}

static bool is_set(const char *name)
{
    const char *value = os_getenv(name);
    return value != NULL && value[0] != '\0';
}

bool term_has_colour(int fd)
{
    if (wanted != TERM_COLOUR_AUTO) {
        return wanted == TERM_COLOUR_ALWAYS;
    }
    if (is_set("NO_COLOR")) {
        return false;
    }
    if (is_set("CLICOLOR_FORCE") && strcmp(os_getenv("CLICOLOR_FORCE"), "0") != 0) {
        return true;
    }
    const char *term = os_getenv("TERM");
    bool is_dumb = term == NULL || strcmp(term, "dumb") == 0;
    return os_is_terminal(fd) && !is_dumb;
}
