/*
 * stream/stream_account.c: what an account has settled in a region: its commitment to a minimum
 * throughput. Changed as the rest of the catalog is (stream_change.c). Format:
 * docs/formats/streams.md, record 10.
 */
#include "stream/stream_int.h"

/* --- the list; lock is held ------------------------------------------------------------------ */

static struct account *find(const struct streams *streams, str account, str region)
{
    for (isize i = 0; i < streams->account_count; i++) {
        struct account *one = &streams->accounts[i];
        if (str_eq(one->account, account) && str_eq(one->region, region)) {
            return one;
        }
    }
    return NULL;
}

void stream__accounts_free(struct streams *streams)
{
    for (isize i = 0; i < streams->account_count; i++) {
        stream__str_free(&streams->accounts[i].account);
        stream__str_free(&streams->accounts[i].region);
    }
    mem_free(streams->accounts);
    streams->accounts = NULL;
    streams->account_count = 0;
}

static struct account *add(struct streams *streams, str account, str region)
{
    isize bytes = (streams->account_count + 1) * (isize)sizeof *streams->accounts;
    streams->accounts = mem_resize(streams->accounts, bytes);
    struct account *one = &streams->accounts[streams->account_count++];
    *one = (struct account){0};
    stream__str_replace(&one->account, account);
    stream__str_replace(&one->region, region);
    return one;
}

/* --- catalog records ------------------------------------------------------------------------- */

static void encode(struct buf *out, str account, str region,
                   const struct stream_commitment *commitment)
{
    buf_append_byte(out, ENTRY_ACCOUNT);
    stream__put_str(out, account);
    stream__put_str(out, region);
    buf_append_varint(out, (u64)commitment->started_ms);
    buf_append_varint(out, (u64)commitment->ended_ms);
}

bool stream__account_encode(const struct streams *streams, isize index, struct buf *out)
{
    if (index >= streams->account_count) {
        return false;
    }
    const struct account *one = &streams->accounts[index];
    encode(out, one->account, one->region, &one->commitment);
    return true;
}

err stream__account_apply(struct streams *streams, struct stream_cursor *in)
{
    str account = stream__take_str(in, STREAM_ACCOUNT_BYTES);
    str region = stream__take_str(in, STREAM_REGION_MAX);
    struct stream_commitment commitment = {
        .started_ms = (i64)stream__take_number(in, INT64_MAX),
        .ended_ms = (i64)stream__take_number(in, INT64_MAX),
    };
    if (in->failed) {
        return ERR_CORRUPT;
    }
    if (account.len == 0) {
        stream__accounts_free(streams);
        return OK;
    }
    struct account *one = find(streams, account, region);
    one = one == NULL ? add(streams, account, region) : one;
    one->commitment = commitment;
    return OK;
}

/* --- reading and changing -------------------------------------------------------------------- */

void streams_get_commitment(struct streams *streams, str account, str region,
                            struct stream_commitment *out)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    os_rwlock_read(&streams->lock);
    const struct account *one = find(streams, account, region);
    *out = one == NULL ? (struct stream_commitment){0} : one->commitment;
    os_rwlock_unlock(&streams->lock);
}

static void change_commitment(struct stream_commitment *c, bool is_wanted, i64 now_ms)
{
    bool is_over = c->started_ms == 0 || (c->ended_ms != 0 && c->ended_ms <= now_ms);
    if (is_wanted) {
        c->started_ms = is_over ? now_ms : c->started_ms;
        c->ended_ms = 0;
    } else if (!is_over && c->ended_ms == 0) {
        c->ended_ms = MAX(now_ms, c->started_ms + STREAM_COMMITMENT_MS);
    }
}

static err submit(struct streams *streams, str account, str region,
                  const struct stream_commitment *commitment, stream_done_fn done, void *ctx)
{
    struct change *change = stream__change_new(streams, NULL, done, ctx);
    encode(&change->body, account, region, commitment);
    return stream__change_submit(change);
}

err streams_set_commitment(struct streams *streams, str account, str region, bool is_wanted,
                           struct stream_commitment *out, stream_done_fn done, void *ctx)
{
    if (account.len != STREAM_ACCOUNT_BYTES || region.len > STREAM_REGION_MAX) {
        return ERR_RANGE;
    }
    i64 now_ms = os_wall_us(streams->os) / 1000;
    os_mutex_lock(&streams->change_lock);
    streams_get_commitment(streams, account, region, out);
    bool is_new = out->started_ms == 0;
    os_rwlock_read(&streams->lock);
    bool is_full = streams->account_count + streams->change_count >= STREAM_ACCOUNTS_MAX;
    os_rwlock_unlock(&streams->lock);
    change_commitment(out, is_wanted, now_ms);
    err e = is_new && is_full ? ERR_LIMIT : submit(streams, account, region, out, done, ctx);
    os_mutex_unlock(&streams->change_lock);
    return e;
}

err streams_forget_commitments(struct streams *streams, stream_done_fn done, void *ctx)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    os_mutex_lock(&streams->change_lock);
    err e = submit(streams, STR_EMPTY, STR_EMPTY, &(struct stream_commitment){0}, done, ctx);
    os_mutex_unlock(&streams->change_lock);
    return e;
}
