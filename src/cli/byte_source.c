/* cli/byte_source.c: see byte_source.h. */
#include "cli/byte_source.h"

#include "cli/options.h"
#include "codec/compress.h"
#include "os/os.h"
#include "os/process.h"

#include <errno.h>
#include <stdio.h>

enum { CHUNK_BYTES = 256 << 10, HEAD_BYTES = 4 };

struct byte_source {
    const char *path; /* NULL: the generator. */
    FILE *file;
    bool is_stdin, is_at_end, is_file_end;
    u64 offset; /* Of the next byte that byte_source_read gives. */
    u64 file_bytes, file_read;
    struct decompressor *decompressor;
    enum compress_kind kind;
    struct buf ready; /* Bytes that follow, from ready_at on. */
    isize ready_at;
    struct buf raw; /* Compressed, not yet looked at. */
    struct feed_generator *generator;
    u64 rows, row;
};

static bool read_failed(const struct byte_source *source)
{
    print_error(NULL, "%s cannot be read", source->is_stdin ? "standard input" : source->path);
    return false;
}

/* One chunk of the file behind `to`. */
static bool chunk_read(struct byte_source *source, struct buf *to)
{
    u8 *place = buf_reserve(to, CHUNK_BYTES);
    if (source->is_stdin) { /* What is there: the other end may be slow. */
        isize some = os_input_read(place, CHUNK_BYTES);
        to->len += MAX(some, 0);
        source->is_file_end = some == 0;
        return some < 0 ? read_failed(source) : true;
    }
    size_t got = fread(place, 1, CHUNK_BYTES, source->file);
    to->len += (isize)got;
    source->file_read += got;
    if (got < CHUNK_BYTES) {
        if (ferror(source->file)) {
            return read_failed(source);
        }
        source->is_file_end = true;
    }
    return true;
}

static bool start(struct byte_source *source)
{
    source->is_at_end = source->is_file_end = false;
    source->offset = source->file_read = 0;
    buf_reset(&source->ready);
    buf_reset(&source->raw);
    source->ready_at = 0;
    source->row = 0;
    if (source->generator != NULL) {
        feed_generate_header(source->generator, &source->ready);
        return true;
    }
    decompressor_free(source->decompressor);
    source->decompressor = NULL;
    if (!chunk_read(source, &source->raw)) {
        return false;
    }
    source->kind = compress_kind_of_bytes(buf_str(&source->raw));
    if (source->kind != COMPRESS_NONE) {
        source->decompressor = decompressor_new(source->kind, NULL);
    } else {
        buf_append(&source->ready, buf_str(&source->raw));
        buf_reset(&source->raw);
    }
    return true;
}

struct byte_source *byte_source_open(const char *path)
{
    struct byte_source *source = NEW(struct byte_source);
    source->path = path;
    source->is_stdin = strcmp(path, "-") == 0;
    source->file = source->is_stdin ? stdin : fopen(path, "re");
    if (source->file == NULL) {
        print_error(NULL, "%s cannot be opened: %s", path, strerror(errno));
        byte_source_free(source);
        return NULL;
    }
    struct os_stat stat;
    if (!source->is_stdin && os_stat_path(os_real(), path, &stat) == OK) {
        source->file_bytes = stat.bytes;
    }
    if (!start(source)) {
        byte_source_free(source);
        return NULL;
    }
    return source;
}

struct byte_source *byte_source_generate(const struct feed_options *options)
{
    struct byte_source *source = NEW(struct byte_source);
    source->generator = feed_generator_new(options);
    source->rows = options->rows;
    (void)start(source);
    return source;
}

void byte_source_free(struct byte_source *source)
{
    if (source == NULL) {
        return;
    }
    if (source->file != NULL && !source->is_stdin) {
        (void)fclose(source->file); /* Only read from. */
    }
    decompressor_free(source->decompressor);
    feed_generator_free(source->generator);
    buf_deinit(&source->ready);
    buf_deinit(&source->raw);
    mem_free(source);
}

/* More bytes behind ready; is_at_end when there are none. */
static bool produce(struct byte_source *source)
{
    if (source->generator != NULL) {
        for (; source->row < source->rows && source->ready.len < CHUNK_BYTES; source->row++) {
            feed_generate_row(source->generator, source->row, &source->ready);
        }
        source->is_at_end = source->ready.len == source->ready_at;
        return true;
    }
    if (source->decompressor == NULL) {
        isize before = source->ready.len;
        if (!source->is_file_end && !chunk_read(source, &source->ready)) {
            return false;
        }
        source->is_at_end = source->ready.len == before;
        return true;
    }
    struct diag diag;
    diag_init(&diag);
    str in = buf_str(&source->raw);
    err e = decompressor_read(source->decompressor, &in, &source->ready, CHUNK_BYTES, &diag);
    memmove(source->raw.data, in.data, (size_t)in.len);
    source->raw.len = in.len;
    if (e == ERR_AGAIN && source->is_file_end) {
        source->is_at_end = source->ready.len == source->ready_at;
        e = decompressor_finish(source->decompressor, &diag);
    } else if (e == ERR_AGAIN) {
        return chunk_read(source, &source->raw);
    }
    if (e != OK) {
        print_error(NULL, "%s: %s", source->path, diag.message);
    }
    return e == OK;
}

/* What was given stays for standard input until it is forgotten. */
static void compact(struct byte_source *source)
{
    if (!source->is_stdin && source->ready_at > 0) {
        memmove(source->ready.data, source->ready.data + source->ready_at,
                (size_t)(source->ready.len - source->ready_at));
        source->ready.len -= source->ready_at;
        source->ready_at = 0;
    }
}

/* Takes at most `bytes` of what is ready; returns how many. */
static isize take(struct byte_source *source, isize bytes, struct buf *out)
{
    isize count = MIN(bytes, source->ready.len - source->ready_at);
    buf_append(out, str_slice(buf_str(&source->ready), source->ready_at, source->ready_at + count));
    source->ready_at += count;
    source->offset += (u64)count;
    return count;
}

/* Until there is at least a byte, or the end. */
static bool produce_some(struct byte_source *source)
{
    while (source->ready_at == source->ready.len && !source->is_at_end) {
        compact(source);
        if (!produce(source)) {
            return false;
        }
    }
    return true;
}

bool byte_source_read(struct byte_source *source, isize bytes, struct buf *out)
{
    if (source->is_stdin) {
        bool is_good = produce_some(source);
        (void)take(source, bytes, out);
        return is_good;
    }
    while (bytes > 0) {
        bytes -= take(source, bytes, out);
        if (bytes == 0 || source->is_at_end) {
            break;
        }
        compact(source);
        if (!produce(source)) {
            return false;
        }
    }
    return produce_some(source); /* So that the last piece is known to be the last. */
}

bool byte_source_at_end(const struct byte_source *source)
{
    return source->is_at_end && source->ready_at == source->ready.len;
}

u64 byte_source_offset(const struct byte_source *source)
{
    return source->offset;
}

static bool seek_back(struct byte_source *source, u64 offset)
{
    if (source->is_stdin) {
        u64 first = source->offset - (u64)source->ready_at;
        if (offset < first) {
            print_error("leat replay FILE can go back", "standard input cannot be read again");
            return false;
        }
        source->ready_at = (isize)(offset - first);
        source->offset = offset;
        return true;
    }
    if (source->file != NULL && fseek(source->file, 0, SEEK_SET) != 0) {
        return read_failed(source);
    }
    return start(source);
}

bool byte_source_seek(struct byte_source *source, u64 offset)
{
    if (offset < source->offset && !seek_back(source, offset)) {
        return false;
    }
    struct buf passed = {0};
    bool is_good = true;
    while (is_good && source->offset < offset && !byte_source_at_end(source)) {
        buf_reset(&passed);
        is_good =
            byte_source_read(source, (isize)MIN(offset - source->offset, CHUNK_BYTES), &passed);
        byte_source_forget(source, source->offset);
    }
    buf_deinit(&passed);
    if (is_good && source->offset < offset) {
        print_error(NULL, "%s is shorter than what was replayed of it",
                    source->is_stdin ? "standard input" : source->path);
        return false;
    }
    return is_good;
}

void byte_source_forget(struct byte_source *source, u64 offset)
{
    u64 first = source->offset - (u64)source->ready_at;
    if (!source->is_stdin || offset <= first) {
        return;
    }
    isize gone = (isize)(MIN(offset, source->offset) - first);
    memmove(source->ready.data, source->ready.data + gone, (size_t)(source->ready.len - gone));
    source->ready.len -= gone;
    source->ready_at -= gone;
}

double byte_source_share(const struct byte_source *source)
{
    if (source->generator != NULL) {
        return source->rows > 0 ? (double)source->row / (double)source->rows : 1;
    }
    return source->file_bytes > 0 ? (double)source->file_read / (double)source->file_bytes : -1;
}
