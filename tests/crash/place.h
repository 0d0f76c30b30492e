/*
 * tests/crash/place.h: what stands on a simulated disk in the scripts of streams, jobs
 * and replays: a log with small segments, its streams, and what a script wants on top.
 */
#ifndef CRASH_PLACE_H
#define CRASH_PLACE_H

#include "engine/engine.h"
#include "feed/replay.h"
#include "stream/stream.h"

enum place_part { PLACE_STREAMS = 0, PLACE_ENGINE = 1, PLACE_REPLAYS = 2 };

struct place {
    struct os *os;
    u64 began_ns; /* Of place_wait. */
    struct log *log;
    struct streams *streams;
    struct engine *engine;
    struct replays *replays;
};

/* On service_os; `parts` are bits. False, and nothing is open, when something does not open. */
bool place_open(struct place *p, int parts);
void place_close(struct place *p);

struct stream_id place_id(const char *name);
/* These end the script when they fail. */
void place_make(struct place *p, const char *name, i32 shards);
void place_drop(struct place *p, const char *name);
struct stream *place_find(struct place *p, const char *name); /* A new reference. */
void place_put(struct place *p, const char *name, str data);
void place_put_to(struct place *p, struct stream_id id, str data);
/* Fills segments with what dies at once, and lets retention rewrite them. */
void place_ballast(struct place *p);
void place_execute(struct place *p, const char *sql);

/* All of a stream's one shard, to be freed; NULL when there is no such stream or it cannot be
 * read. */
struct stream_page *place_page(struct place *p, const char *name);
/* Goes on hashing with the data of its rows; NULL has none. */
u64 place_page_hash(const struct stream_page *page, u64 hash);
/* Waits until each job has read all that is there; false when one does not run any more. */
bool place_settle(struct place *p);
/* Lets others run; false at the `turn` after which nobody should wait any longer, about 20 s, or an
 * hour of the simulated clock. */
bool place_wait(struct place *p, int turn);

#endif
