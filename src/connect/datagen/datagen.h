/* connect/datagen/datagen.h: rows made by rule: docs/connectors/datagen.md. */
#ifndef CONNECT_DATAGEN_DATAGEN_H
#define CONNECT_DATAGEN_DATAGEN_H

#include "connect/source.h"

extern const struct connector connect_datagen;

#endif
