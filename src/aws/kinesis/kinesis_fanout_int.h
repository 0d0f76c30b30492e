/*
 * aws/kinesis/kinesis_fanout_int.h: subscriptions of enhanced fan-out, shared by
 * kinesis_subscribe.c (who may subscribe, and how it ends) and kinesis_push.c
 * (what is sent).
 *
 * A subscription lives in the arena of its exchange and is handled on the
 * exchange's loop, but for the fields that say otherwise. Three things can be
 * under way for it: a wake-up by the committer, a page being read on a reader's
 * thread, an answer that is not taken yet. It ends when none of the first two is.
 */
#ifndef AWS_KINESIS_KINESIS_FANOUT_INT_H
#define AWS_KINESIS_KINESIS_FANOUT_INT_H

#include "aws/kinesis/kinesis_int.h"

enum {
    SUBSCRIPTION_MAGIC = 0x53554253,
    SUBSCRIPTION_LIFE_MS = 300000,
    SUBSCRIPTION_INTERVALS = 60, /* Of its life: heartbeat, and when another may take over. */
};

enum subscription_order { ORDER_NONE, ORDER_TAKEN_OVER, ORDER_STOP };
enum subscription_closing { CLOSING_NOT, CLOSING_CLEAN, CLOSING_ABRUPT };

struct subscription {
    u32 magic;
    struct kinesis *service;
    struct kinesis_call *call; /* Its stream, consumer and read->shard. */
    struct http_exchange *x;
    /* Under the lock of struct subscriptions. */
    struct subscription *next;
    bool is_listed;
    u64 started_ms;                /* Monotonic. */
    enum subscription_order order; /* Atomic; given by others. */

    u64 next_no;
    i64 shard_created_s;
    u32 consumer_version; /* At which the consumer was known to exist. */
    u64 end_ms, event_ms; /* Monotonic; event_ms: when the last event was sent. */
    u64 wait_id;
    bool is_waiting, is_reading, is_draining, is_finished;
    bool is_built;   /* A reader has built a page that is not sent yet. */
    bool is_looking; /* Its handling is on the stack: it must stay. */
    bool is_due;     /* An event is to be sent even without records. */
    enum subscription_closing closing;

    /* Of the page that was read last; with is_reading the reader's. */
    struct answer out; /* Whole frames. */
    err result;
    u64 built_no;
    isize bytes_max;
    bool is_at_end;
};

/* --- kinesis_subscribe.c ------------------------------------------------------------------------
 */

/* Takes the subscription off the list; its exchange may end then. */
void kinesis__subscription_leave(struct subscription *s);
/* How many there are. */
i32 kinesis__subscription_count(const struct kinesis *service);
void kinesis__subscription_count_event(struct kinesis *service);
u32 kinesis__subscription_interval_ms(const struct kinesis *service);

/* --- kinesis_push.c -----------------------------------------------------------------------------
 */

/* LOOP. Starts the answer and pushes from next_no on. */
void kinesis__push_begin(struct subscription *s);
/* LOOP. Looks again: there may be records, an order, an end. An http_fn. */
void kinesis__push_again(struct http_exchange *x, void *subscription);

#endif
