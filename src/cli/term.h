/* cli/term.h: what the terminal can show. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include "base/base.h"

/* Colours: a terminal, NO_COLOR unset, TERM not "dumb". fd 1 or 2. */
bool term_has_colour(int fd);

#endif
