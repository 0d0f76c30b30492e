/* connect/print/print.h: rows on the server's standard output: docs/connectors/print.md. */
#ifndef CONNECT_PRINT_PRINT_H
#define CONNECT_PRINT_PRINT_H

#include "connect/sink.h"

extern const struct connector connect_print;

#endif
