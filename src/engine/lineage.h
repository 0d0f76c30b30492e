/* engine/lineage.h: shards of a source that come and go while a job reads it; the job's thread. */
#ifndef ENGINE_LINEAGE_H
#define ENGINE_LINEAGE_H

#include "engine/engine_int.h"

/* With new marks: the shards that the stream began with hold the watermark. */
void engine__lineage_begin(struct engine_job *job, struct engine_source *source);
void engine__lineage_free(struct engine_lineage *lineage);
/* Around the records of each frame; true when a known shard came to its end, which the step must
 * write down: shards are idle before or after that. */
bool engine__lineage_before(struct engine_job *job, struct engine_source *source,
                            const struct log_frame *frame);
bool engine__lineage_after(struct engine_job *job, struct engine_source *source,
                           const struct log_frame *frame);

#endif
