/* cli/error_codes.h: what leat help CODE tells. */
#ifndef CLI_ERROR_CODES_H
#define CLI_ERROR_CODES_H

#include "base/str.h"

/* "SQL0142", "ENG031": letters, then three or four digits. */
bool error_code_is(str word);
/* Prints the code's explanation, or which part of leat gives it and where that is described.
 * Returns the exit code. */
int error_code_explain(str code);

#endif
