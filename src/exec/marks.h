/*
 * exec/marks.h: the watermark of a source: of each shard the highest value that its rows
 * gave, and the source's, which is the lowest of its active shards and never goes back.
 * A shard is active from the start, and idle when the owner says so until its next row.
 * When all are idle, the source's watermark is the highest of any. Milliseconds since 1970.
 * Shards come from others (a split, a merge): they go on where those stood, and the watermark
 * stays.
 */
#ifndef EXEC_MARKS_H
#define EXEC_MARKS_H

#include "base/buf.h"

#define MARK_NONE INT64_MIN

struct marks;
struct marks *marks_new(void);
void marks_free(struct marks *marks);

/* Position of the shard, added as an active one when it is new. */
isize marks_shard(struct marks *marks, u32 shard);
isize marks_count(const struct marks *marks);
u32 marks_shard_at(const struct marks *marks, isize at);
bool marks_is_idle(const struct marks *marks, isize at);
/* When a row of it was last read, as the owner's clock says; the owner's, kept with the rest. */
i64 marks_active_us(const struct marks *marks, isize at);
void marks_touch(struct marks *marks, isize at, i64 now_us);
void marks_set_idle(struct marks *marks, isize at);
/* A row of this shard. Returns the source's watermark before it. */
i64 marks_row(struct marks *marks, isize at, i64 mark_ms);
/* A row without a time: the shard is active. */
void marks_wake(struct marks *marks, isize at);

/* `child` comes from `parent`, and from `adjacent` unless that is below 0: it is as far as the
 * active one that is behind, idle when all are. False, and nothing is done, when none is known. */
bool marks_inherit(struct marks *marks, u32 child, i64 parent, i64 adjacent);
/* The shard is over: it holds the watermark no longer. False when it is not known. */
bool marks_drop(struct marks *marks, u32 shard);

i64 marks_get(const struct marks *marks);
bool marks_all_idle(const struct marks *marks); /* False without shards. */

void marks_save(const struct marks *marks, struct buf *out);
MUST_USE err marks_load(struct marks *marks, str *in); /* ERR_CORRUPT */

#endif
