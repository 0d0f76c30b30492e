/* aws/common/refusal.c */
#include "aws/common/refusal.h"

#include "codec/cbor.h"
#include "codec/json.h"

str aws_content_type(const struct http_exchange *x)
{
    str rest = http_header(x, "content-type");
    return str_trim(str_split(&rest, ';', NULL));
}

void aws_refuse(struct http_exchange *x, int status, const char *code, str message, str request_id)
{
    struct buf body = {0};
    str type = aws_content_type(x);
    if (str_eq_nocase(type, STR("application/x-amz-cbor-1.1"))) {
        cbor_open_map(&body);
        cbor_put_text(&body, STR("__type"));
        cbor_put_text(&body, str_of(code));
        cbor_put_text(&body, STR("message"));
        cbor_put_text(&body, message);
        cbor_close(&body);
    } else {
        type = str_starts_nocase(type, STR("application/x-amz-json-")) ? type
                                                                       : STR("application/json");
        buf_printf(&body, "{\"__type\":\"%s\",\"message\":", code);
        json_write_string(&body, message);
        buf_append_byte(&body, '}');
    }
    struct http_field fields[] = {{STR("Content-Type"), type},
                                  {STR("x-amzn-ErrorType"), str_of(code)},
                                  {STR("x-amzn-RequestId"), request_id}};
    http_respond_buf(x, status, fields, request_id.len > 0 ? 3 : 2, &body);
    buf_deinit(&body);
}
