/*
 * aws/kinesis/kinesis_records.c: pieces of answers that hold records, and the answer
 * of GetRecords. A large one is not written as a whole: the client gets it piece by
 * piece from the frames that its page holds, each written and sent while it lies in
 * the processor's cache.
 */
#include "aws/kinesis/kinesis_int.h"
#include "aws/kinesis/kinesis_rows.h"

enum { WHOLE_BYTES_MAX = HTTP_PIECE_BYTES_MIN }; /* Answers that are written at once. */

void kinesis__put_iterator(struct kinesis_call *call, const char *name, u64 no)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct token token = {
        .kind = TOKEN_ITERATOR,
        .stream = info.number,
        .shard = call->read->shard,
        .no = no,
        .issued_ms = kinesis__now_ms(call->service),
    };
    answer_put_text(&call->out, name, kinesis__token(call->service, call->arena, &token));
}

static void put_shard_id(struct answer *out, const char *name, u32 index)
{
    char id[21];
    stream_shard_format(index, id);
    answer_put_text(out, name, str_of(id));
}

/* Children of a closed shard that was read to its end: what tells consumers to go on there. */
void kinesis__put_children(struct kinesis_call *call, struct answer *out)
{
    struct stream_shard children[2];
    i32 count = stream_find_children(call->stream, call->read->shard, children);
    answer_open_list(out, "ChildShards");
    for (i32 i = 0; i < count; i++) {
        const struct stream_shard *shard = &children[i];
        answer_open(out, NULL);
        put_shard_id(out, "ShardId", shard->index);
        answer_open_list(out, "ParentShards");
        put_shard_id(out, NULL, (u32)shard->parent);
        if (shard->adjacent_parent >= 0) {
            put_shard_id(out, NULL, (u32)shard->adjacent_parent);
        }
        answer_close_list(out);
        kinesis__put_hash_range(out, shard);
        answer_close(out);
    }
    answer_close_list(out);
}

static void init_rows(struct kinesis_call *call, const struct stream_page *page, struct rows *rows)
{
    rows_init(rows, call->stream, call->read->shard, page, call->out.is_cbor,
              stream_is_encrypted(call->stream));
}

void kinesis__put_rows(struct kinesis_call *call, const struct stream_page *page,
                       struct answer *out)
{
    struct rows rows;
    init_rows(call, page, &rows);
    isize bytes = rows_bytes(&rows), room = bytes + (isize)2 * ROWS_ROOM;
    answer_open_list(out, "Records");
    u8 *at = buf_reserve(&out->buf, room);
    CHECK(at != NULL);
    CHECK(rows_write(&rows, at, room) == bytes);
    out->buf.len += bytes;
    answer_close_list(out);
}

/* --- an answer ----------------------------------------------------------------------------------
 */

/* The answer of one call: what stands before the rows, the rows, what stands behind them. */
struct records_answer {
    struct kinesis_call *call;
    struct stream_page *page; /* Owned. */
    struct rows rows;
    str before, behind; /* Borrow from call->out. */
    bool is_begun;
    i64 bytes; /* Of all. */
};

/* The next part of the answer; LOOP, or whoever builds it as a whole. */
static isize next_part(void *ctx, u8 *out, isize room)
{
    struct records_answer *answer = ctx;
    u8 *at = out;
    const u8 *end = out + room;
    if (!answer->is_begun) {
        answer->is_begun = true;
        memcpy(at, answer->before.data, (size_t)answer->before.len);
        at += answer->before.len;
    }
    if (!rows_is_done(&answer->rows)) {
        at += rows_write(&answer->rows, at, end - at);
    }
    if (rows_is_done(&answer->rows) && end - at >= answer->behind.len) {
        memcpy(at, answer->behind.data, (size_t)answer->behind.len);
        at += answer->behind.len;
    }
    return at - out;
}

static void free_answer(void *ctx)
{
    struct records_answer *answer = ctx;
    stream_page_free(answer->page);
    answer_deinit(&answer->call->out);
    kinesis__let_go(answer->call);
}

/* What is held for a client that takes its time is not more than the text would be, or little. */
static bool is_worth_pieces(const struct records_answer *answer)
{
    return answer->bytes > WHOLE_BYTES_MAX &&
           stream_page_held_bytes(answer->page) <= 2 * answer->bytes;
}

err kinesis__write_records(struct kinesis_call *call, struct stream_page *page, u64 next_no,
                           i64 behind_ms)
{
    struct answer *out = &call->out;
    struct records_answer *answer = ARENA_NEW(call->arena, struct records_answer);
    answer->call = call;
    answer->page = page;
    init_rows(call, page, &answer->rows);
    answer_open(out, NULL);
    answer_open_list(out, "Records");
    isize before = out->buf.len;
    answer_close_list(out);
    if (stream_page_at_end(page)) {
        kinesis__put_children(call, out);
    } else {
        kinesis__put_iterator(call, "NextShardIterator", next_no);
    }
    answer_put_i64(out, "MillisBehindLatest", behind_ms);
    answer_close(out);
    answer->before = str_slice(buf_str(&out->buf), 0, before);
    answer->behind = str_slice(buf_str(&out->buf), before, out->buf.len);
    answer->bytes = out->buf.len + rows_bytes(&answer->rows);
    if (is_worth_pieces(answer)) {
        stream_page_pin(page);
        call->read->answer = http_pieces_reserve(call->x) ? answer : NULL;
        return call->read->answer != NULL ? OK : ERR_LIMIT;
    }
    bool is_small = answer->bytes <= HTTP_PIECE_BYTES_MIN;
    if (!is_small && !http_answer_reserve(call->x, (isize)answer->bytes)) {
        return ERR_LIMIT;
    }
    struct buf whole = {0};
    isize room = (isize)answer->bytes + (isize)2 * ROWS_ROOM;
    u8 *at = buf_reserve(&whole, room);
    CHECK(at != NULL);
    CHECK(next_part(answer, at, room) == answer->bytes);
    whole.len = (isize)answer->bytes;
    answer_deinit(out);
    out->buf = whole;
    return OK;
}

void kinesis__send_records(struct kinesis_call *call)
{
    struct records_answer *answer = call->read->answer;
    const struct http_pieces pieces = {
        .length = answer->bytes, .next = next_part, .over = free_answer, .ctx = answer};
    kinesis__respond_pieces(call, &pieces);
}
