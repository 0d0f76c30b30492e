/* codec/cw_units.h: the units that CloudWatch knows, for the service and for those who call it. */
#ifndef CODEC_CW_UNITS_H
#define CODEC_CW_UNITS_H

enum { CW_UNIT_COUNT = 27 };

/* Ended by NULL. The service keeps the index on disk: the order is for good. */
extern const char *const cw_units[CW_UNIT_COUNT + 1];

#endif
