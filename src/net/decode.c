/* net/decode.c: percent-encoding and query strings. */
#include "net/http.h"

static int hex(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    u8 lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

err http_decode(struct arena *arena, str text, bool plus_is_space, str *out)
{
    u8 *data = arena_alloc(arena, text.len + 1);
    isize len = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex(text.data[i + 1]) : -1;
            int low = text.len - i > 2 ? hex(text.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return ERR_SYNTAX;
            }
            c = (u8)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == 0) {
            return ERR_SYNTAX;
        }
        data[len++] = c;
    }
    *out = str_from(data, len);
    return OK;
}

err http_param(struct arena *arena, str query, str name, str *out, bool *found_out)
{
    *out = STR_EMPTY;
    if (found_out != NULL) {
        *found_out = false;
    }
    while (query.len > 0) {
        str pair = str_split(&query, '&', NULL);
        str key = str_split(&pair, '=', NULL);
        str decoded;
        TRY(http_decode(arena, key, true, &decoded));
        if (str_eq(decoded, name)) {
            if (found_out != NULL) {
                *found_out = true;
            }
            return http_decode(arena, pair, true, out);
        }
    }
    return OK;
}
