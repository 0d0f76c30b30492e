/*
 * connect/kinesis/remote_source.c: a stream of another endpoint, polled shard by shard. The
 * position is one line per shard: its id, and the sequence number behind which to go on,
 * "@MILLISECONDS" where nothing was read yet, "-" for its beginning, or "END".
 */
#include "codec/base64.h"
#include "codec/kpl.h"
#include "connect/kinesis/kinesis_int.h"

#include <stdio.h>

enum {
    LIST_MS = 10000, /* Between two looks for new shards. */
    IDLE_MS = 220,   /* Kinesis allows five reads of a shard in a second. */
    RECORDS_MAX = 10000,
    SHARDS_MAX = 800, /* What a position has room for. */
    ID_BYTES = 128,
    SEQUENCE_BYTES = 130,
    READ_BYTES = 2 << 20, /* Landed before the next shard waits for the next poll. */
};

struct shard {
    char id[ID_BYTES], parent[ID_BYTES];
    char at[SEQUENCE_BYTES]; /* As in the position. */
    char *iterator;          /* Owned; NULL: to be asked for. */
    bool is_listed;
};

struct remote {
    struct connect_stream place;
    struct aws_call *call;
    struct os *os;
    struct shard *shards;
    isize count, next; /* next: whose turn it is. */
    u64 listed_ns;     /* 0 = never. */
    bool is_placed;    /* The position was read. */
};

static void remote_close(void *source)
{
    struct remote *remote = source;
    if (remote == NULL) {
        return;
    }
    for (isize i = 0; i < remote->count; i++) {
        mem_free(remote->shards[i].iterator);
    }
    mem_free(remote->shards);
    aws_call_free(remote->call);
    mem_free(remote);
}

static err remote_open(const struct connect_table *table, const struct connect_schema *schema,
                       const struct connect_env *env, void **out, struct diag *diag)
{
    (void)diag;
    struct remote *remote = NEW(struct remote);
    kinesis__stream_read(table, &remote->place);
    struct connect_schema of_stream = *schema;
    of_stream.region = remote->place.region.len > 0 ? remote->place.region : schema->region;
    remote->os = env->os;
    remote->call = aws_call_new(table, "kinesis", &of_stream, env);
    remote->shards = mem_zalloc(SHARDS_MAX * (isize)sizeof(struct shard));
    *out = remote;
    return OK;
}

/* --- the position -------------------------------------------------------------------------- */

static struct shard *shard_find(struct remote *remote, str id)
{
    for (isize i = 0; i < remote->count; i++) {
        if (str_eq(id, str_of(remote->shards[i].id))) {
            return &remote->shards[i];
        }
    }
    return NULL;
}

static struct shard *shard_make(struct remote *remote, str id, str at)
{
    if (remote->count == SHARDS_MAX || id.len >= ID_BYTES || at.len >= SEQUENCE_BYTES) {
        return NULL;
    }
    struct shard *shard = &remote->shards[remote->count++];
    *shard = (struct shard){0};
    str_copy_cstr(id, shard->id, ID_BYTES);
    str_copy_cstr(at, shard->at, SEQUENCE_BYTES);
    return shard;
}

static void position_read(struct remote *remote, str position)
{
    while (position.len > 0) {
        str line = str_split(&position, '\n', NULL);
        str id = str_split(&line, ' ', NULL);
        (void)shard_make(remote, id, line);
    }
    remote->is_placed = true;
}

static str position_write(const struct remote *remote, struct arena *arena)
{
    struct buf text = {0};
    for (isize i = 0; i < remote->count; i++) {
        buf_printf(&text, "%s %s\n", remote->shards[i].id, remote->shards[i].at);
    }
    str result = arena_copy(arena, buf_str(&text));
    buf_deinit(&text);
    return result;
}

/* --- shards -------------------------------------------------------------------------------- */

/* Where a shard begins that is not in the position. Those found later are children, or were
 * opened since: nothing of them is to be missed. */
static void start_of(const struct remote *remote, bool is_first_list, char *out)
{
    i64 now_ms = os_wall_us(remote->os) / 1000;
    if (!is_first_list || remote->place.start == CONNECT_TRIM_HORIZON) {
        (void)snprintf(out, SEQUENCE_BYTES, "-");
    } else {
        bool is_time = remote->place.start == CONNECT_AT_TIMESTAMP;
        (void)snprintf(out, SEQUENCE_BYTES, "@%lld",
                       (long long)(is_time ? remote->place.start_ms : now_ms));
    }
}

static enum connect_verdict page_read(struct remote *remote, const struct json_value *answer,
                                      bool is_first_list, struct diag *diag)
{
    const struct json_value *one = json_first(json_get(answer, STR("Shards")));
    for (; one != NULL; one = json_next(one)) {
        str id = json_get_text(one, STR("ShardId"));
        struct shard *shard = shard_find(remote, id);
        if (shard == NULL) {
            char at[SEQUENCE_BYTES];
            start_of(remote, is_first_list, at);
            shard = shard_make(remote, id, str_of(at));
        }
        if (shard == NULL) {
            (void)diag_set(diag, ERR_LIMIT, "CON105", "a stream that is read has at most %d shards",
                           SHARDS_MAX);
            return CONNECT_FATAL;
        }
        shard->is_listed = true;
        str_copy_cstr(json_get_text(one, STR("ParentShardId")), shard->parent, ID_BYTES);
    }
    return CONNECT_OK;
}

static enum connect_verdict shards_list(struct remote *remote, struct arena *arena,
                                        struct diag *diag)
{
    u64 now_ns = os_mono_ns(remote->os);
    bool is_first = remote->count == 0;
    if (remote->listed_ns > 0 && now_ns - remote->listed_ns < (u64)LIST_MS * 1000000) {
        return CONNECT_OK;
    }
    str token = STR_EMPTY;
    do {
        struct buf body = {0};
        const struct json_value *answer;
        buf_append(&body, token.len > 0 ? STR("{\"NextToken\":") : STR("{\"StreamName\":"));
        json_write_string(&body, token.len > 0 ? token : remote->place.name);
        buf_append_byte(&body, '}');
        enum connect_verdict verdict =
            kinesis__call(remote->call, "ListShards", buf_str(&body), arena, &answer, diag);
        buf_deinit(&body);
        if (verdict == CONNECT_OK) {
            verdict = page_read(remote, answer, is_first, diag);
        }
        if (verdict != CONNECT_OK) {
            return verdict;
        }
        token = json_get_text(answer, STR("NextToken"));
    } while (token.len > 0);
    remote->listed_ns = now_ns;
    return CONNECT_OK;
}

/* A child waits for the end of its parent. */
static bool is_due(struct remote *remote, const struct shard *shard)
{
    const struct shard *parent =
        shard->parent[0] == '\0' ? NULL : shard_find(remote, str_of(shard->parent));
    bool is_blocked = parent != NULL && parent->is_listed && strcmp(parent->at, "END") != 0;
    return shard->is_listed && !is_blocked && strcmp(shard->at, "END") != 0;
}

/* --- records ------------------------------------------------------------------------------- */

static enum connect_verdict iterator_get(struct remote *remote, struct shard *shard,
                                         struct arena *arena, struct diag *diag)
{
    struct buf body = {0};
    const struct json_value *answer;
    buf_append(&body, STR("{\"StreamName\":"));
    json_write_string(&body, remote->place.name);
    buf_printf(&body, ",\"ShardId\":\"%s\",\"ShardIteratorType\":", shard->id);
    i64 ms = 0;
    if (shard->at[0] == '@' && str_to_i64(str_of(shard->at + 1), &ms) == OK) {
        buf_printf(&body, "\"AT_TIMESTAMP\",\"Timestamp\":%.3f}", (double)ms / 1000);
    } else if (shard->at[0] == '-') {
        buf_append(&body, STR("\"TRIM_HORIZON\"}"));
    } else {
        buf_printf(&body, "\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"%s\"}",
                   shard->at);
    }
    enum connect_verdict verdict =
        kinesis__call(remote->call, "GetShardIterator", buf_str(&body), arena, &answer, diag);
    buf_deinit(&body);
    if (verdict == CONNECT_OK) {
        str text = json_get_text(answer, STR("ShardIterator"));
        shard->iterator = mem_alloc(text.len + 1);
        str_copy_cstr(text, shard->iterator, text.len + 1);
    }
    return verdict;
}

static void message_add(struct connect_poll *out, struct arena *arena, str data)
{
    out->messages = arena_grow(arena, out->messages, out->count, (isize)sizeof(str));
    out->messages[out->count++] = data;
}

/* One record, or each user record of an aggregate. False when it is no base64. */
static bool record_add(struct connect_poll *out, struct arena *arena,
                       const struct json_value *record, isize *bytes)
{
    str text = json_get_text(record, STR("Data"));
    isize size = base64_decoded_bytes(text), got = 0;
    u8 *data = arena_alloc(arena, MAX(size, 0) + 16);
    if (size < 0 || base64_decode(text, data, &got) != OK) {
        return false;
    }
    str whole = str_from(data, got);
    struct kpl_record *subs;
    isize count;
    *bytes += got;
    if (kpl_is_candidate(whole) && kpl_decode(whole, arena, &subs, &count, NULL) == KPL_AGGREGATE) {
        for (isize i = 0; i < count; i++) {
            message_add(out, arena, subs[i].data);
        }
    } else {
        message_add(out, arena, whole);
    }
    return true;
}

/* *has_more_out: the shard holds more already. */
static enum connect_verdict shard_read(struct remote *remote, struct shard *shard,
                                       struct arena *arena, struct connect_poll *out, isize *bytes,
                                       bool *has_more_out, struct diag *diag)
{
    if (shard->iterator == NULL) {
        enum connect_verdict verdict = iterator_get(remote, shard, arena, diag);
        if (verdict != CONNECT_OK) {
            return verdict;
        }
    }
    struct buf body = {0};
    const struct json_value *answer;
    buf_append(&body, STR("{\"ShardIterator\":"));
    json_write_string(&body, str_of(shard->iterator));
    buf_printf(&body, ",\"Limit\":%d}", RECORDS_MAX);
    enum connect_verdict verdict =
        kinesis__call(remote->call, "GetRecords", buf_str(&body), arena, &answer, diag);
    buf_deinit(&body);
    mem_free(shard->iterator);
    shard->iterator = NULL; /* After a failure the position says where to go on. */
    if (verdict != CONNECT_OK) {
        return CONNECT_RETRY;
    }
    const struct json_value *record = json_first(json_get(answer, STR("Records")));
    for (; record != NULL; record = json_next(record)) {
        if (!record_add(out, arena, record, bytes)) {
            (void)diag_set(diag, ERR_REMOTE, "CON106", "a record's data is no base64");
            return CONNECT_RETRY;
        }
        str_copy_cstr(json_get_text(record, STR("SequenceNumber")), shard->at, SEQUENCE_BYTES);
    }
    *has_more_out = json_get_i64(answer, STR("MillisBehindLatest"), 0) > 0;
    str next = json_get_text(answer, STR("NextShardIterator"));
    if (next.len == 0) {
        str_copy_cstr(STR("END"), shard->at, SEQUENCE_BYTES);
        return CONNECT_OK;
    }
    shard->iterator = mem_alloc(next.len + 1);
    str_copy_cstr(next, shard->iterator, next.len + 1);
    return CONNECT_OK;
}

static enum connect_verdict poll(void *source, str position, struct arena *arena,
                                 struct connect_poll *out, struct diag *diag)
{
    struct remote *remote = source;
    if (!remote->is_placed) {
        position_read(remote, position);
    }
    enum connect_verdict verdict = shards_list(remote, arena, diag);
    isize bytes = 0;
    bool is_behind = false;
    for (isize i = 0; i < remote->count && verdict == CONNECT_OK && bytes < READ_BYTES; i++) {
        struct shard *shard = &remote->shards[remote->next++ % remote->count];
        if (!is_due(remote, shard)) {
            continue;
        }
        bool has_more = false;
        verdict = shard_read(remote, shard, arena, out, &bytes, &has_more, diag);
        is_behind = is_behind || has_more;
    }
    if (verdict != CONNECT_OK && out->count > 0) {
        verdict = CONNECT_OK; /* What came is landed; the rest is asked for again. */
    }
    out->position = position_write(remote, arena);
    out->wait_ms = is_behind ? 0 : IDLE_MS;
    return verdict;
}

static str target(void *source)
{
    return ((struct remote *)source)->place.name;
}

const struct connect_source_ops kinesis__remote_source = {
    .open = remote_open,
    .close = remote_close,
    .poll = poll,
    .target = target,
};
