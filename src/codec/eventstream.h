/*
 * codec/eventstream.h: frames of application/vnd.amazon.eventstream, in which AWS
 * sends events one after the other. Integers are big-endian:
 *
 *   total length 4 | length of headers 4 | CRC-32 of these 8 |
 *   headers | payload | CRC-32 of all before
 *
 * A header: length of name 1 | name | type 1 | value; a string's value begins with
 * its length, 2. Any thread.
 */
#ifndef CODEC_EVENTSTREAM_H
#define CODEC_EVENTSTREAM_H

#include "base/base.h"
#include "base/buf.h"

enum {
    EVENTSTREAM_FRAME_BYTES_MAX = 24 << 20, /* AWS: 16 MiB; a record of 10 MiB in base64 fits. */
    EVENTSTREAM_HEADER_BYTES_MAX = 128 << 10,
    EVENTSTREAM_HEADERS_MAX = 16, /* Of a frame that is decoded. */
    EVENTSTREAM_OVERHEAD_BYTES = 16,
};

enum eventstream_type {
    EVENTSTREAM_TRUE,
    EVENTSTREAM_FALSE,
    EVENTSTREAM_BYTE,
    EVENTSTREAM_SHORT,
    EVENTSTREAM_INT,
    EVENTSTREAM_LONG,
    EVENTSTREAM_BYTES,
    EVENTSTREAM_STRING,
    EVENTSTREAM_TIME, /* Milliseconds since 1970. */
    EVENTSTREAM_UUID,
};

struct eventstream_header {
    str name;
    str value; /* As it stands in the frame, without its length. */
    enum eventstream_type type;
};

/* --- writing: begin, append the payload to `out`, end ----------------------------------------- */

/* Writes what stands before the payload; returns where the frame begins. Headers are strings. */
isize eventstream_begin(struct buf *out, const struct eventstream_header *headers, isize count);
/* Fills in the lengths and adds the checksums of the frame that begins at `start`. The frame has at
 * most EVENTSTREAM_FRAME_BYTES_MAX. */
void eventstream_end(struct buf *out, isize start);

/* --- reading -----------------------------------------------------------------------------------
 */

struct eventstream_frame {
    struct eventstream_header headers[EVENTSTREAM_HEADERS_MAX]; /* Borrow from the input. */
    isize header_count;
    str payload;
};

/* Takes a frame off the front of *in. ERR_AGAIN: more bytes are needed; ERR_CORRUPT: no frame, a
 * wrong checksum, a malformed header; ERR_LIMIT: too long, or too many headers. *in moves only when
 * the frame is good. */
MUST_USE err eventstream_take(str *in, struct eventstream_frame *out);
/* The string of that name; STR_EMPTY when there is none. */
str eventstream_text(const struct eventstream_frame *frame, str name);

#endif
