/*
 * cli/byte_source.h: bytes that are sent to the server: of a file (also compressed),
 * of standard input, or made by the generator. Can go back to where the server stands.
 */
#ifndef CLI_BYTE_SOURCE_H
#define CLI_BYTE_SOURCE_H

#include "base/buf.h"
#include "feed/generate.h"

struct byte_source;
/* "-" is standard input. Prints what is wrong and returns NULL. */
struct byte_source *byte_source_open(const char *path);
struct byte_source *byte_source_generate(const struct feed_options *options);
void byte_source_free(struct byte_source *source);

/* Appends at most `bytes`, fewer only at the end; of standard input what is there, at least a byte
 * before its end. False: an error was printed. */
bool byte_source_read(struct byte_source *source, isize bytes, struct buf *out);
bool byte_source_at_end(const struct byte_source *source);
u64 byte_source_offset(const struct byte_source *source);
/* To byte `offset` from the start, forward or back. False (printed) when it cannot: standard input
 * keeps only what byte_source_forget has not let go. */
bool byte_source_seek(struct byte_source *source, u64 offset);
/* Bytes before `offset` will not be asked for again. */
void byte_source_forget(struct byte_source *source, u64 offset);
/* Share of the source that is read, 0 to 1; negative when it cannot be told. */
double byte_source_share(const struct byte_source *source);

#endif
