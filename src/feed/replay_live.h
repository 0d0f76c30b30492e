/*
 * feed/replay_live.h: which records of the replays' channel are still needed: of each
 * replay its submission, its header and its newest position. A position supersedes
 * those before it, so nothing is ever written anew.
 *
 * It follows the log itself, frame by frame and in order, so that it is never ahead of
 * what is durable and never behind what was published. Any thread.
 */
#ifndef FEED_REPLAY_LIVE_H
#define FEED_REPLAY_LIVE_H

#include "log/log.h"

struct replay_live;

struct replay_live *replay__live_new(void);
void replay__live_free(struct replay_live *live); /* NULL is allowed. */
/* A durable run of the channel; each is noted once, in the order of the log. */
void replay__live_note(struct replay_live *live, struct log_run run);
/* Is anything of the run that ends with `last_no` needed? */
bool replay__live_is(struct replay_live *live, u64 last_no);

#endif
