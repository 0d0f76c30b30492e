/* cli/term.h: what the terminal can show. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include "base/base.h"

enum term_colour { TERM_COLOUR_AUTO, TERM_COLOUR_ALWAYS, TERM_COLOUR_NEVER };
void term_set_colour(enum term_colour colour);

/* Colours: as set; else CLICOLOR_FORCE, else a terminal with NO_COLOR unset and TERM not "dumb".
 * fd 1 or 2. */
bool term_has_colour(int fd);

#endif
