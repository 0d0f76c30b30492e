/* codec/record_json.c */
#include "codec/record_json.h"

#include "codec/base64.h"
#include "codec/json.h"

void record_json_put(struct buf *out, const struct record_json *record)
{
    buf_printf(out, "{\"shard_id\":\"" STR_FMT "\",\"sequence_number\":\"" STR_FMT "\"",
               STR_ARG(record->shard_id), STR_ARG(record->sequence_number));
    if (record->sub_sequence >= 0) {
        buf_printf(out, ",\"sub_sequence\":%lld", (long long)record->sub_sequence);
    }
    buf_printf(out, ",\"arrival_ms\":%lld,\"partition_key\":", (long long)record->arrival_ms);
    json_write_string(out, record->partition_key);
    buf_printf(out, ",\"bytes\":%td,", record->data.len);
    if (str_is_utf8(record->data)) {
        buf_append(out, STR("\"data\":"));
        json_write_string(out, record->data);
    } else {
        buf_append(out, STR("\"data_base64\":\""));
        base64_append(out, record->data);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
}
