/*
 * aws/s3/s3_chunked.h: "aws-chunked" bodies: the object's bytes cut into chunks, each
 * with a length in hexadecimal and, when signed, a signature; then trailing fields
 * with the checksum. Source: "Signature calculations for the Authorization header:
 * Transferring a payload in multiple chunks" of the S3 reference.
 *
 *   1000;chunk-signature=<64 hex>\r\n <0x1000 bytes> \r\n
 *   0;chunk-signature=<64 hex>\r\n
 *   x-amz-checksum-crc32:<base64>\r\n
 *   x-amz-trailer-signature:<64 hex>\r\n \r\n
 *
 * A push parser: bytes come as they come. Pure: no I/O. One thread.
 */
#ifndef AWS_S3_CHUNKED_H
#define AWS_S3_CHUNKED_H

#include "codec/sigv4.h"

enum {
    S3_CHUNK_LINE_BYTES_MAX = 512, /* A chunk's header. */
    S3_TRAILER_BYTES_MAX = 8192,   /* All trailing fields. */
    S3_TRAILERS_MAX = 16,
};

struct s3_trailer {
    str name, value; /* Into the decoder's buffer. */
};

enum s3_chunk_state {
    S3_CHUNK_HEAD,
    S3_CHUNK_DATA,
    S3_CHUNK_DATA_END,
    S3_CHUNK_TRAILER,
    S3_CHUNK_DONE
};

struct s3_chunked {
    bool is_signed;                /* Each chunk must carry a signature. */
    bool has_trailer;              /* Trailing fields are allowed. */
    struct sigv4_chunks *checking; /* NULL: signatures are read, not checked. Borrowed. */
    enum s3_chunk_state state;
    u64 left;     /* Of the chunk's data. */
    bool is_last; /* The chunk of length 0. */
    void *hash;   /* SHA-256 of the chunk so far; when checking. Owned. */
    u8 signature[SIGV4_HEX_BYTES];
    u8 line[S3_TRAILER_BYTES_MAX]; /* The header or trailers being collected. */
    isize line_bytes;
    isize line_start; /* Of the trailing field being collected, in `line`. */
    struct s3_trailer trailers[S3_TRAILERS_MAX];
    isize trailer_count;
};

void s3_chunked_init(struct s3_chunked *chunked, bool is_signed, bool has_trailer,
                     struct sigv4_chunks *checking);
void s3_chunked_deinit(struct s3_chunked *chunked);
/* Takes from the front of *in until it has a run of the object's bytes (*data_out, borrowed from
 * *in) or *in is used up (*data_out empty). ERR_SYNTAX: malformed; ERR_LIMIT: a line or the
 * trailers too long; ERR_DENIED: a signature does not match; what came before was given out. */
MUST_USE err s3_chunked_next(struct s3_chunked *chunked, str *in, str *data_out);
/* The last chunk and the trailers were read. */
bool s3_chunked_is_done(const struct s3_chunked *chunked);
/* Value of a trailing field, STR_EMPTY when absent. Lower case name. */
str s3_chunked_trailer(const struct s3_chunked *chunked, str name);

#endif
