/* codec/compress.c: streams of zlib and libzstd behind one face. */
#include "codec/compress.h"

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

enum { STEP_BYTES = 64 << 10, GZIP_WINDOW = 15 + 16 };

err compress_kind_parse(str name, enum compress_kind *out)
{
    static const char *const names[] = {"none", "gzip", "zstd"};
    for (int i = 0; i < 3; i++) {
        if (str_eq_nocase(name, str_of(names[i]))) {
            *out = (enum compress_kind)i;
            return OK;
        }
    }
    return ERR_UNSUPPORTED;
}

enum compress_kind compress_kind_of_path(str path)
{
    bool is_gzip = str_ends(path, STR(".gz")) || str_ends(path, STR(".gzip"));
    bool is_zstd = str_ends(path, STR(".zst")) || str_ends(path, STR(".zstd"));
    return is_gzip ? COMPRESS_GZIP : is_zstd ? COMPRESS_ZSTD : COMPRESS_NONE;
}

enum compress_kind compress_kind_of_bytes(str head)
{
    if (str_starts(head, STR("\x1f\x8b\x08"))) {
        return COMPRESS_GZIP;
    }
    return str_starts(head, STR("\x28\xb5\x2f\xfd")) ? COMPRESS_ZSTD : COMPRESS_NONE;
}

/* --- writing
 * --------------------------------------------------------------------------------------------- */

struct compressor {
    enum compress_kind kind;
    z_stream gzip;
    ZSTD_CCtx *zstd;
};

struct compressor *compressor_new(enum compress_kind kind, int level)
{
    struct compressor *c = NEW(struct compressor);
    c->kind = kind;
    if (kind == COMPRESS_GZIP) {
        int used = level == 0 ? 6 : MAX(1, MIN(level, 9));
        CHECK(deflateInit2(&c->gzip, used, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    } else if (kind == COMPRESS_ZSTD) {
        int used = level == 0 ? 3 : MAX(1, MIN(level, 19));
        c->zstd = ZSTD_createCCtx();
        CHECK(c->zstd != NULL);
        (void)ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, used);
        (void)ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
    }
    return c;
}

void compressor_free(struct compressor *c)
{
    if (c == NULL) {
        return;
    }
    if (c->kind == COMPRESS_GZIP) {
        (void)deflateEnd(&c->gzip);
    }
    ZSTD_freeCCtx(c->zstd); /* Takes NULL. */
    mem_free(c);
}

static err gzip_write(struct compressor *c, str bytes, int flush, struct buf *out)
{
    CHECK(bytes.len <= UINT32_MAX);
    c->gzip.next_in = (z_const Bytef *)bytes.data;
    c->gzip.avail_in = (uInt)bytes.len;
    for (;;) {
        u8 *to = buf_reserve(out, STEP_BYTES);
        if (to == NULL) {
            return ERR_LIMIT;
        }
        c->gzip.next_out = to;
        c->gzip.avail_out = STEP_BYTES;
        int result = deflate(&c->gzip, flush);
        CHECK(result != Z_STREAM_ERROR);
        out->len += STEP_BYTES - (isize)c->gzip.avail_out;
        bool is_done = flush == Z_FINISH ? result == Z_STREAM_END : c->gzip.avail_out > 0;
        if (is_done) {
            return OK;
        }
    }
}

static err zstd_write(struct compressor *c, str bytes, ZSTD_EndDirective end, struct buf *out)
{
    ZSTD_inBuffer in = {bytes.data, (size_t)bytes.len, 0};
    for (;;) {
        u8 *to = buf_reserve(out, STEP_BYTES);
        if (to == NULL) {
            return ERR_LIMIT;
        }
        ZSTD_outBuffer room = {to, STEP_BYTES, 0};
        size_t left = ZSTD_compressStream2(c->zstd, &room, &in, end);
        if (ZSTD_isError(left)) {
            return ERR_MEMORY;
        }
        out->len += (isize)room.pos;
        bool is_done = end == ZSTD_e_end ? left == 0 : in.pos == in.size;
        if (is_done) {
            return OK;
        }
    }
}

err compressor_write(struct compressor *c, str bytes, struct buf *out)
{
    switch (c->kind) {
    case COMPRESS_GZIP:
        return gzip_write(c, bytes, Z_NO_FLUSH, out);
    case COMPRESS_ZSTD:
        return zstd_write(c, bytes, ZSTD_e_continue, out);
    default:
        buf_append(out, bytes);
        return out->failed ? ERR_LIMIT : OK;
    }
}

err compressor_finish(struct compressor *c, struct buf *out)
{
    switch (c->kind) {
    case COMPRESS_GZIP:
        TRY(gzip_write(c, STR_EMPTY, Z_FINISH, out));
        CHECK(deflateReset(&c->gzip) == Z_OK);
        return OK;
    case COMPRESS_ZSTD:
        return zstd_write(c, STR_EMPTY, ZSTD_e_end, out);
    default:
        return OK;
    }
}

/* --- reading
 * --------------------------------------------------------------------------------------------- */

struct decompressor {
    enum compress_kind kind;
    struct decompress_limits limits;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    i64 bytes_in, bytes_out;
    bool is_between; /* Members or frames: the stream may end here. */
};

struct decompressor *decompressor_new(enum compress_kind kind,
                                      const struct decompress_limits *limits)
{
    struct decompressor *d = NEW(struct decompressor);
    d->kind = kind;
    d->limits = limits == NULL ? (struct decompress_limits){0} : *limits;
    if (d->limits.ratio_max == 0) {
        d->limits.ratio_max = COMPRESS_RATIO_MAX;
    }
    if (kind == COMPRESS_GZIP) {
        CHECK(inflateInit2(&d->gzip, GZIP_WINDOW) == Z_OK);
    } else if (kind == COMPRESS_ZSTD) {
        d->zstd = ZSTD_createDCtx();
        CHECK(d->zstd != NULL);
        (void)ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, COMPRESS_WINDOW_LOG_MAX);
    }
    return d;
}

void decompressor_free(struct decompressor *d)
{
    if (d == NULL) {
        return;
    }
    if (d->kind == COMPRESS_GZIP) {
        (void)inflateEnd(&d->gzip);
    }
    ZSTD_freeDCtx(d->zstd); /* Takes NULL. */
    mem_free(d);
}

static err damaged(const struct decompressor *d, const char *why, struct diag *diag)
{
    return diag_set(diag, ERR_CORRUPT, "CMP0001", "the %s stream is damaged near byte %lld: %s",
                    d->kind == COMPRESS_GZIP ? "gzip" : "zstd", (long long)d->bytes_in, why);
}

/* One step; the counts of bytes taken and made go to *in and *made_out. */
static err gzip_step(struct decompressor *d, str *in, u8 *to, isize room, isize *made_out,
                     struct diag *diag)
{
    isize given = MIN(in->len, 1 << 30);
    d->gzip.next_in = (z_const Bytef *)in->data;
    d->gzip.avail_in = (uInt)given;
    d->gzip.next_out = to;
    d->gzip.avail_out = (uInt)room;
    int result = inflate(&d->gzip, Z_NO_FLUSH);
    *made_out = room - (isize)d->gzip.avail_out;
    isize taken = given - (isize)d->gzip.avail_in;
    *in = str_slice(*in, taken, in->len);
    d->bytes_in += taken;
    bool is_wrong = result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR;
    if (is_wrong) {
        return damaged(d, d->gzip.msg != NULL ? d->gzip.msg : "not gzip", diag);
    }
    d->is_between = result == Z_STREAM_END;
    if (d->is_between) {
        CHECK(inflateReset(&d->gzip) == Z_OK);
    }
    return OK;
}

static err zstd_step(struct decompressor *d, str *in, u8 *to, isize room, isize *made_out,
                     struct diag *diag)
{
    ZSTD_inBuffer from = {in->data, (size_t)in->len, 0};
    ZSTD_outBuffer out = {to, (size_t)room, 0};
    size_t result = ZSTD_decompressStream(d->zstd, &out, &from);
    d->bytes_in += (i64)from.pos;
    if (ZSTD_isError(result)) {
        return damaged(d, ZSTD_getErrorName(result), diag);
    }
    *made_out = (isize)out.pos;
    *in = str_slice(*in, (isize)from.pos, in->len);
    d->is_between = result == 0;
    return OK;
}

static err check_limits(const struct decompressor *d, struct diag *diag)
{
    if (d->limits.bytes_max > 0 && d->bytes_out > d->limits.bytes_max) {
        return diag_set(diag, ERR_LIMIT, "CMP0002", "decompressed data exceed %lld bytes",
                        (long long)d->limits.bytes_max);
    }
    bool is_bomb =
        d->bytes_out > COMPRESS_RATIO_FROM && d->bytes_out / d->limits.ratio_max > d->bytes_in;
    if (is_bomb) {
        return diag_set(diag, ERR_LIMIT, "CMP0003",
                        "decompressed data are more than %lld times the compressed",
                        (long long)d->limits.ratio_max);
    }
    return OK;
}

err decompressor_read(struct decompressor *d, str *in, struct buf *out, isize out_max,
                      struct diag *diag)
{
    CHECK(out_max > 0);
    bool was_empty = in->len == 0;
    isize room = MIN(out_max, 1 << 30), made = 0;
    if (d->kind == COMPRESS_NONE) {
        made = MIN(room, in->len);
        buf_append(out, str_slice(*in, 0, made));
        *in = str_slice(*in, made, in->len);
        d->is_between = true;
        return out->failed ? ERR_LIMIT : made > 0 ? OK : ERR_AGAIN;
    }
    if (d->is_between && was_empty) {
        return ERR_AGAIN;
    }
    u8 *to = buf_reserve(out, room);
    if (to == NULL) {
        return diag_set(diag, ERR_LIMIT, "CMP0004", "the output is full");
    }
    TRY(d->kind == COMPRESS_GZIP ? gzip_step(d, in, to, room, &made, diag)
                                 : zstd_step(d, in, to, room, &made, diag));
    out->len += made;
    d->bytes_out += made;
    TRY(check_limits(d, diag));
    return made > 0 || in->len > 0 ? OK : ERR_AGAIN;
}

err decompressor_finish(const struct decompressor *d, struct diag *diag)
{
    bool is_whole = d->kind == COMPRESS_NONE || d->is_between || d->bytes_in == 0;
    return is_whole ? OK : damaged(d, "it is cut off", diag);
}
