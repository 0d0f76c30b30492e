/*
 * engine/lineage.c: the watermarks of a stream that is resharded while a job reads it. A reshard
 * has its place in the log; when the job has read up to there, the children go on where their
 * parents stood, and the parents hold the watermark no longer. Nothing fires by that alone.
 * The places are those of the shard map, which outlives the records of the reshards.
 */
#include "engine/lineage.h"

#include <stdlib.h>

struct birth {
    u64 no; /* Records of the parents have smaller numbers, those of the child greater ones. */
    u32 child;
    i32 parent, adjacent;
};

struct engine_lineage {
    i32 shard_count; /* Shards that were looked at: reshards only add to them. */
    struct birth *births;
    isize count, next;
};

void engine__lineage_free(struct engine_lineage *lineage)
{
    if (lineage != NULL) {
        mem_free(lineage->births);
        mem_free(lineage);
    }
}

static int birth_cmp(const void *left, const void *right)
{
    const struct birth *a = left;
    const struct birth *b = right;
    if (a->no != b->no) {
        return a->no < b->no ? -1 : 1;
    }
    return (a->child > b->child) - (a->child < b->child);
}

static u64 closed_no(struct stream *stream, i32 shard)
{
    struct stream_shard parent;
    return shard >= 0 && stream_find_shard(stream, (u32)shard, &parent) ? parent.closed_no : 0;
}

/* Looks for shards that are new in the map. */
static void refresh(struct engine_source *source)
{
    struct engine_lineage *lineage = source->lineage;
    struct stream_info info;
    struct stream_shard shard;
    stream_get_info(source->stream, &info);
    i32 known = lineage->shard_count;
    if (info.shard_count == known) {
        return;
    }
    lineage->births = mem_resize(lineage->births, (lineage->count + info.shard_count - known) *
                                                      (isize)sizeof *lineage->births);
    for (i32 i = known; i < info.shard_count && stream_get_shard(source->stream, i, &shard); i++) {
        u64 no = MAX(closed_no(source->stream, shard.parent),
                     closed_no(source->stream, shard.adjacent_parent));
        if (no > 0) {
            lineage->births[lineage->count++] =
                (struct birth){no, shard.index, shard.parent, shard.adjacent_parent};
        }
    }
    lineage->shard_count = info.shard_count;
    qsort(lineage->births + lineage->next, (size_t)(lineage->count - lineage->next),
          sizeof *lineage->births, birth_cmp);
}

void engine__lineage_begin(struct engine_job *job, struct engine_source *source)
{
    source->lineage = NEW(struct engine_lineage);
    if (!job->is_stateful) {
        return; /* Its watermark decides nothing, and shards are known when they give rows. */
    }
    struct stream_info info;
    struct stream_shard shard;
    stream_get_info(source->stream, &info);
    for (i32 i = 0; i < info.shard_count && stream_get_shard(source->stream, i, &shard); i++) {
        bool is_root = closed_no(source->stream, shard.parent) == 0;
        if (is_root && shard.created_ms <= job->created_ms) {
            (void)marks_shard(source->marks, shard.index);
        }
    }
}

/* Births of one reshard, then the ends of the parents; those among them that it also made, too. */
static bool apply_one(struct engine_source *source)
{
    struct engine_lineage *lineage = source->lineage;
    isize first = lineage->next;
    u64 no = lineage->births[first].no;
    bool is_changed = false;
    for (; lineage->next < lineage->count && lineage->births[lineage->next].no == no;
         lineage->next++) {
        const struct birth *birth = &lineage->births[lineage->next];
        is_changed = marks_inherit(source->marks, birth->child, birth->parent, birth->adjacent) ||
                     is_changed;
    }
    for (isize i = first; i < lineage->next; i++) {
        (void)marks_drop(source->marks, (u32)lineage->births[i].parent);
        if (lineage->births[i].adjacent >= 0) {
            (void)marks_drop(source->marks, (u32)lineage->births[i].adjacent);
        }
    }
    return is_changed;
}

static bool apply(struct engine_source *source, u64 no)
{
    const struct engine_lineage *lineage = source->lineage;
    bool is_changed = false;
    while (lineage->next < lineage->count && lineage->births[lineage->next].no <= no) {
        is_changed = apply_one(source) || is_changed;
    }
    return is_changed;
}

bool engine__lineage_before(struct engine_job *job, struct engine_source *source,
                            const struct log_frame *frame)
{
    if (source->lineage == NULL) {
        return false;
    }
    if (source->lineage->shard_count == 0) {
        streams_settle(job->engine->streams);
        refresh(source);
    }
    return apply(source, log_frame_first_no(frame));
}

bool engine__lineage_after(struct engine_job *job, struct engine_source *source,
                           const struct log_frame *frame)
{
    struct log_run run;
    if (source->lineage == NULL) {
        return false;
    }
    if (log_frame_find(frame, (struct log_channel){0, LOG_CONTROL_STREAMS}, &run)) {
        streams_settle(job->engine->streams);
        refresh(source);
    }
    return apply(source, log_frame_end_no(frame));
}
