/* connect/blackhole/blackhole.h: takes rows and forgets them: docs/connectors/blackhole.md. */
#ifndef CONNECT_BLACKHOLE_BLACKHOLE_H
#define CONNECT_BLACKHOLE_BLACKHOLE_H

#include "connect/sink.h"

extern const struct connector connect_blackhole;

#endif
