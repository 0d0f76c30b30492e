/* cli/lineage_print.h: where the shards of a stream come from, drawn. */
#ifndef CLI_LINEAGE_PRINT_H
#define CLI_LINEAGE_PRINT_H

#include "codec/json.h"

/* `shards` as GET streams/NAME/shards has them. Prints nothing for a stream that was never
 * resharded. */
void lineage_print(const struct json_value *shards);

#endif
