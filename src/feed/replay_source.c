/* feed/replay_source.c: where the bytes of a replay come from: ranges of an S3 object, or pieces
 * that a client pushes. Compressed objects are read through from their start. */
#include "codec/compress.h"
#include "feed/aws_client.h"
#include "feed/replay_int.h"

enum { ATTEMPTS = 6, RETRY_MS = 250, PIECE_BYTES = 256 << 10, MAGIC_BYTES = 4 };

struct replay_reader {
    struct replay *replay;
    u64 pass;
    u64 skip; /* Of decompressed bytes, still to be passed over. */
    /* S3 */
    struct aws_client *client;
    u64 fetched; /* Bytes of the object that have come. */
    bool is_kind_known, is_plain_skip;
    struct decompressor *decompressor;
    struct buf raw; /* Fetched and not yet decompressed: from raw_taken on. */
    isize raw_taken;
};

static struct aws_client *client_new(struct replays *replays, str account, str region)
{
    struct aws_client_options options = {.endpoint = replays->endpoint, .region = region};
    bool is_default = str_eq(account, STR("000000000000"));
    options.access_key = is_default ? STR("test") : account;
    options.secret = STR("test");
    if (replays->secret.len > 0) {
        options.access_key = replays->access_key;
        options.secret = replays->secret;
    }
    return aws_client_new(replays->os, &options);
}

struct replay_reader *replay__reader_new(struct replay *replay, u64 pass, u64 offset)
{
    struct replay_reader *reader = NEW(struct replay_reader);
    reader->replay = replay;
    reader->pass = pass;
    if (replay->source == REPLAY_S3) {
        reader->client = client_new(replay->replays, replay->account, replay->region);
        reader->skip = offset;
    }
    return reader;
}

void replay__reader_free(struct replay_reader *reader)
{
    if (reader != NULL) {
        aws_client_free(reader->client);
        decompressor_free(reader->decompressor);
        buf_deinit(&reader->raw);
        mem_free(reader);
    }
}

/* --- pushed
 * ----------------------------------------------------------------------------------------------
 */

static err next_pushed(struct replay_reader *reader, struct buf *out)
{
    struct replay *replay = reader->replay;
    os_mutex_lock(&replay->lock);
    isize take = MIN(replay->pushed.len, PIECE_BYTES);
    bool is_here = replay->push_pass == reader->pass;
    err e = OK;
    if (replay->is_stopping) {
        e = ERR_CLOSED;
    } else if (is_here && take > 0) {
        buf_append(out, str_slice(buf_str(&replay->pushed), 0, take));
        memmove(replay->pushed.data, replay->pushed.data + take,
                (size_t)(replay->pushed.len - take));
        replay->pushed.len -= take;
    } else {
        e = is_here && replay->is_pass_pushed ? ERR_END : ERR_AGAIN;
    }
    os_mutex_unlock(&replay->lock);
    return e;
}

/* --- S3
 * --------------------------------------------------------------------------------------------------
 */

static bool is_passing(int status)
{
    return status == 429 || status >= 500;
}

static err refused(const struct replay *replay, int status, struct diag *diag)
{
    if (status == 412) {
        return diag_set(diag, ERR_INVALID, "FEED031",
                        "s3://" STR_FMT "/" STR_FMT " was changed since this replay began",
                        STR_ARG(replay->bucket), STR_ARG(replay->key));
    }
    return diag_set(diag, ERR_REMOTE, "FEED032",
                    "s3://" STR_FMT "/" STR_FMT " cannot be read: status %d",
                    STR_ARG(replay->bucket), STR_ARG(replay->key), status);
}

static bool is_stopping(struct replay *replay)
{
    os_mutex_lock(&replay->lock);
    bool is = replay->is_stopping;
    os_mutex_unlock(&replay->lock);
    return is;
}

/* The next range of the object behind raw; ERR_END when there is none. */
static err fetch(struct replay_reader *reader, struct diag *diag)
{
    struct replay *replay = reader->replay;
    if (reader->fetched >= replay->bytes_total) {
        return ERR_END;
    }
    struct arena arena = {0};
    u64 last = MIN(reader->fetched + REPLAY_FETCH_BYTES, replay->bytes_total) - 1;
    struct http_field fields[] = {
        {STR("Range"), arena_printf(&arena, "bytes=%llu-%llu", (unsigned long long)reader->fetched,
                                    (unsigned long long)last)},
        {STR("If-Match"), replay->etag},
    };
    struct aws_client_request call = {.service = "s3",
                                      .method = STR("GET"),
                                      .path = aws_s3_path(&arena, replay->bucket, replay->key),
                                      .fields = fields,
                                      .field_count = COUNT_OF(fields)};
    struct http_client_response answer = {0};
    struct diag problem;
    err e = ERR_AGAIN;
    for (int i = 0; i < ATTEMPTS && !is_stopping(replay); i++) {
        diag_init(&problem);
        e = aws_client_call(reader->client, &call, &arena, &answer, &problem);
        if (e == OK && !is_passing(answer.status)) {
            break;
        }
        os_sleep_ms(replay->replays->os, (u32)(RETRY_MS << i));
    }
    if (is_stopping(replay)) {
        e = ERR_CLOSED;
    } else if (e != OK) {
        *diag = problem;
    } else if (answer.status != 206 && answer.status != 200) {
        e = refused(replay, answer.status, diag);
    } else if (answer.body.len != (isize)(last + 1 - reader->fetched)) {
        e = diag_set(diag, ERR_REMOTE, "FEED033", "S3 sent %td bytes of %llu", answer.body.len,
                     (unsigned long long)(last + 1 - reader->fetched));
    } else {
        buf_append(&reader->raw, answer.body);
        reader->fetched = last + 1;
        os_mutex_lock(&replay->lock);
        replay->bytes_fetched = reader->fetched;
        os_mutex_unlock(&replay->lock);
    }
    arena_deinit(&arena);
    return e;
}

/* Looks whether the object is compressed; if not, reading can begin at the offset itself. */
static err find_kind(struct replay_reader *reader, struct diag *diag)
{
    err e = fetch(reader, diag);
    if (e != OK) {
        return e;
    }
    enum compress_kind kind = compress_kind_of_bytes(buf_str(&reader->raw));
    reader->is_kind_known = true;
    if (kind != COMPRESS_NONE) {
        reader->decompressor = decompressor_new(kind, NULL);
    } else if (reader->skip >= reader->fetched) {
        reader->fetched = reader->skip;
        reader->skip = 0;
        buf_reset(&reader->raw);
    } else {
        reader->raw_taken = (isize)reader->skip;
        reader->skip = 0;
    }
    return OK;
}

static void raw_compact(struct replay_reader *reader)
{
    if (reader->raw_taken == reader->raw.len) {
        buf_reset(&reader->raw);
        reader->raw_taken = 0;
    }
}

/* Decompresses some of raw; ERR_AGAIN when all of it is taken. */
static err decompress(struct replay_reader *reader, struct buf *out, struct diag *diag)
{
    str in = str_slice(buf_str(&reader->raw), reader->raw_taken, reader->raw.len);
    isize before = out->len;
    err e = decompressor_read(reader->decompressor, &in, out, PIECE_BYTES, diag);
    reader->raw_taken = reader->raw.len - in.len;
    raw_compact(reader);
    isize got = out->len - before;
    isize skipped = (isize)MIN(reader->skip, (u64)got);
    if (skipped > 0) {
        memmove(out->data + before, out->data + before + skipped, (size_t)(got - skipped));
        out->len -= skipped;
        reader->skip -= (u64)skipped;
    }
    return e;
}

/* ERR_END when the object is read, and whole. */
static err fetch_or_end(struct replay_reader *reader, struct diag *diag)
{
    err e = fetch(reader, diag);
    if (e == ERR_END && reader->decompressor != NULL) {
        TRY(decompressor_finish(reader->decompressor, diag));
    }
    return e;
}

static err next_fetched(struct replay_reader *reader, struct buf *out, struct diag *diag)
{
    if (!reader->is_kind_known) {
        TRY(find_kind(reader, diag));
    }
    isize before = out->len;
    while (out->len == before) {
        if (reader->raw.len == reader->raw_taken) {
            TRY(fetch_or_end(reader, diag));
        }
        if (reader->decompressor != NULL) {
            err e = decompress(reader, out, diag);
            TRY(e == ERR_AGAIN ? OK : e);
        } else {
            buf_append(out, str_slice(buf_str(&reader->raw), reader->raw_taken, reader->raw.len));
            reader->raw_taken = reader->raw.len;
            raw_compact(reader);
        }
    }
    return OK;
}

err replay__reader_next(struct replay_reader *reader, struct buf *out, struct diag *diag)
{
    return reader->client != NULL ? next_fetched(reader, out, diag) : next_pushed(reader, out);
}

err replay__object_head(struct replays *replays, const struct replay_spec *spec,
                        struct arena *arena, str *etag_out, u64 *bytes_out, struct diag *diag)
{
    struct aws_client *client = client_new(replays, spec->account, spec->region);
    struct aws_client_request call = {.service = "s3",
                                      .method = STR("HEAD"),
                                      .path = aws_s3_path(arena, spec->bucket, spec->key)};
    struct http_client_response answer;
    err e = aws_client_call(client, &call, arena, &answer, diag);
    aws_client_free(client);
    TRY(e);
    if (answer.status != 200) {
        err kind = answer.status == 404 ? ERR_NOT_FOUND : ERR_REMOTE;
        (void)diag_set(diag, kind, "FEED034",
                       "s3://" STR_FMT "/" STR_FMT " cannot be read: status %d",
                       STR_ARG(spec->bucket), STR_ARG(spec->key), answer.status);
        diag_hint(diag, "leat aws s3 ls s3://" STR_FMT "/ shows what is there",
                  STR_ARG(spec->bucket));
        return kind;
    }
    *etag_out = arena_copy(arena, aws_response_field(&answer, "etag"));
    if (str_to_u64(aws_response_field(&answer, "content-length"), bytes_out) != OK) {
        return diag_set(diag, ERR_REMOTE, "FEED035", "S3 tells no size of the object");
    }
    return OK;
}
