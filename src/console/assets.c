/* console/assets.c: the console's page, from the binary. */
#include "console/console_int.h"

#include "base/diag.h"
#include "codec/compress.h"

/* Nothing from elsewhere, nothing inline, nobody frames it. */
#define POLICY                                                                          \
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " \
    "object-src 'none'"

static const struct console_asset *asset_find(str path)
{
    for (isize i = 0; i < console__asset_count; i++) {
        if (str_eq(path, str_of(console__assets[i].path))) {
            return &console__assets[i];
        }
    }
    return NULL;
}

static bool accepts_gzip(struct http_exchange *x)
{
    str rest = http_header(x, "accept-encoding");
    while (rest.len > 0) {
        str item = str_trim(str_split(&rest, ',', NULL));
        str name = str_trim(str_split(&item, ';', NULL));
        bool is_refused = str_eq(str_trim(item), STR("q=0"));
        if (str_eq_nocase(name, STR("gzip")) && !is_refused) {
            return true;
        }
    }
    return false;
}

static void unpack(str packed, struct buf *out)
{
    struct decompressor *decompressor = decompressor_new(COMPRESS_GZIP, NULL);
    err e = OK;
    while (e == OK) {
        e = decompressor_read(decompressor, &packed, out, 1 << 20, NULL);
    }
    CHECK(e == ERR_AGAIN); /* All of it is read; the bytes are our own. */
    decompressor_free(decompressor);
}

static void asset_send(struct http_exchange *x, const struct console_asset *asset)
{
    bool is_packed = accepts_gzip(x);
    str etag = str_of(asset->etag);
    struct http_field fields[] = {
        {STR("Content-Type"), str_of(asset->type)},
        {STR("ETag"), etag},
        {STR("Cache-Control"),
         asset->is_immutable ? STR("public, max-age=31536000, immutable") : STR("no-cache")},
        {STR("Vary"), STR("Accept-Encoding")},
        {STR("Content-Security-Policy"), STR(POLICY)},
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("Referrer-Policy"), STR("no-referrer")},
        {STR("Content-Encoding"), STR("gzip")}, /* Last: left out when it is not. */
    };
    isize count = COUNT_OF(fields) - (is_packed ? 0 : 1);
    if (str_find(http_header(x, "if-none-match"), etag, 0) >= 0) {
        http_respond(x, 304, fields, COUNT_OF(fields) - 1, STR_EMPTY);
        return;
    }
    str packed = str_from(asset->packed, asset->packed_bytes);
    struct buf body = {0};
    if (is_packed) {
        buf_append(&body, packed);
    } else {
        unpack(packed, &body);
    }
    http_respond_buf(x, 200, fields, count, &body);
}

static void handle_asset(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    const struct console_asset *asset = asset_find(http_path(x));
    if (asset != NULL) {
        asset_send(x, asset);
        return;
    }
    struct diag diag;
    diag_init(&diag);
    str path = http_path(x);
    (void)diag_set(&diag, ERR_NOT_FOUND, "API008", "there is no \"" STR_FMT "\" here",
                   STR_ARG(path));
    diag_hint(&diag, "the console is at /_leat/, its API is described in docs/api.md");
    console_respond_error(x, ERR_NOT_FOUND, &diag);
}

static void redirect(struct http_exchange *x)
{
    struct http_field fields[] = {
        {STR("Location"), STR("/_leat/")},
        {STR("Vary"), STR("Accept")},
        {STR("Cache-Control"), STR("no-store")},
    };
    http_respond(x, 302, fields, COUNT_OF(fields), STR_EMPTY);
}

static void handle_bare(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    redirect(x);
}

bool console__page_wanted(struct http_exchange *x)
{
    if (str_find(http_header(x, "accept"), STR("text/html"), 0) < 0) {
        return false;
    }
    redirect(x);
    return true;
}

const struct console_route console__asset_routes[] = {
    {"GET", "/_leat", handle_bare},
    {"GET", "/_leat/", handle_asset}, /* A prefix: after all others. */
};
const isize console__asset_route_count = COUNT_OF(console__asset_routes);
