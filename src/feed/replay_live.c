/*
 * feed/replay_live.c: the runs that hold a needed record, sorted by their last record
 * number, each with the count of such records. Retention keeps or drops runs whole, so
 * that number names a run for good.
 */
#include "feed/replay_live.h"

#include "base/buf.h"
#include "base/plant.h"
#include "feed/replay_int.h"

struct live_replay { /* 0 = none: record numbers begin with 1. */
    u64 number, run_no[REPLAY_RECORD_KINDS];
};

struct live_run {
    u64 last_no, records;
};

struct replay_live {
    struct os_mutex lock;
    struct buf replays; /* struct live_replay, ascending by number. */
    struct buf runs;    /* struct live_run, ascending by last_no. */
};

struct replay_live *replay__live_new(void)
{
    struct replay_live *live = NEW(struct replay_live);
    os_mutex_init(&live->lock);
    return live;
}

void replay__live_free(struct replay_live *live)
{
    if (live != NULL) {
        buf_deinit(&live->replays);
        buf_deinit(&live->runs);
        os_mutex_deinit(&live->lock);
        mem_free(live);
    }
}

/* Index of the first item whose leading number is not below `no`. Both kinds begin with one. */
static isize lower_bound(const struct buf *items, isize item_bytes, u64 no)
{
    isize low = 0, high = items->len / item_bytes;
    while (low < high) {
        isize middle = low + (high - low) / 2;
        u64 at;
        memcpy(&at, items->data + middle * item_bytes, sizeof at);
        if (at < no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct live_run *run_of(struct replay_live *live, u64 last_no)
{
    isize at = lower_bound(&live->runs, (isize)sizeof(struct live_run), last_no);
    struct live_run *runs = (struct live_run *)(void *)live->runs.data;
    bool is_there = at * (isize)sizeof *runs < live->runs.len && runs[at].last_no == last_no;
    return is_there ? &runs[at] : NULL;
}

static void run_drop(struct replay_live *live, u64 last_no)
{
    struct live_run *run = run_of(live, last_no);
    CHECK(run != NULL && run->records > 0);
    if (--run->records == 0) {
        u8 *end = live->runs.data + live->runs.len;
        memmove(run, run + 1, (size_t)(end - (u8 *)(run + 1)));
        live->runs.len -= (isize)sizeof *run;
    }
}

static void run_add(struct replay_live *live, u64 last_no)
{
    struct live_run *run = run_of(live, last_no);
    if (run != NULL) {
        run->records++;
        return;
    }
    struct live_run new = {last_no, 1}; /* Greater than all: the log goes on. */
    buf_append_bytes(&live->runs, &new, (isize)sizeof new);
}

static struct live_replay *replay_of(struct replay_live *live, u64 number)
{
    isize item = (isize)sizeof(struct live_replay);
    isize at = lower_bound(&live->replays, item, number);
    struct live_replay *replays = (struct live_replay *)(void *)live->replays.data;
    if (at * item < live->replays.len && replays[at].number == number) {
        return &replays[at];
    }
    struct live_replay new = {.number = number};
    buf_append_bytes(&live->replays, &new, item);
    replays = (struct live_replay *)(void *)live->replays.data;
    isize behind = live->replays.len / item - 1 - at;
    memmove(&replays[at + 1], &replays[at], (size_t)(behind * item));
    replays[at] = new;
    return &replays[at];
}

void replay__live_note(struct replay_live *live, struct log_run run)
{
    u64 last_no = run.first_no + run.count - 1;
    struct log_record record;
    os_mutex_lock(&live->lock);
    while (log_run_next(&run, &record)) {
        enum replay_record kind;
        u64 number;
        if (replay__record_head(record.body, &kind, &number) != OK) {
            continue; /* Reading refuses it; here nothing depends on it. */
        }
        run_add(live, last_no);
        u64 *at = &replay_of(live, number)->run_no[kind];
        if (*at != 0) {
            run_drop(live, *at);
        }
        *at = last_no;
    }
    os_mutex_unlock(&live->lock);
}

bool replay__live_is(struct replay_live *live, u64 last_no)
{
    os_mutex_lock(&live->lock);
    bool is_live = run_of(live, last_no) != NULL && !PLANTED(BUG_REPLAY_LIVE_DROPPED);
    os_mutex_unlock(&live->lock);
    return is_live;
}
