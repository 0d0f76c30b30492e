/* codec/record_json.h: a record of a stream as leat's own API and commands show it. */
#ifndef CODEC_RECORD_JSON_H
#define CODEC_RECORD_JSON_H

#include "base/buf.h"

struct record_json {
    str shard_id, sequence_number;
    i64 sub_sequence; /* Of a record that came in an aggregate; -1 = none. */
    i64 arrival_ms;
    str partition_key, data;
};

/* {"shard_id",...,"data"}, or "data_base64" when the data are not UTF-8. */
void record_json_put(struct buf *out, const struct record_json *record);

#endif
