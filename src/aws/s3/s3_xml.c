/* aws/s3/s3_xml.c: a small tree out of expat's events, and the writer. */
#include "aws/s3/s3_xml.h"

#include "aws/common/query.h"
#include "base/cal.h"

#include <expat.h>

/* --- reading
 * --------------------------------------------------------------------------------------- */

struct reading {
    struct arena *arena;
    XML_Parser parser;
    struct s3_xml *root, *at;
    struct buf text; /* Of the element under way. */
    isize nodes, depth;
    err error;
};

static void stop(struct reading *reading, err e)
{
    reading->error = e;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    struct reading *reading = ctx;
    if (reading->nodes == S3_XML_NODES_MAX || reading->depth == S3_XML_DEPTH_MAX) {
        stop(reading, ERR_LIMIT);
        return;
    }
    reading->nodes++;
    reading->depth++;
    struct s3_xml *node = ARENA_NEW(reading->arena, struct s3_xml);
    str whole = str_of(name);
    node->name =
        arena_copy(reading->arena, str_slice(whole, str_rfind_byte(whole, ':') + 1, whole.len));
    node->parent = reading->at;
    if (reading->at == NULL) {
        reading->root = node;
    } else if (reading->at->last == NULL) {
        reading->at->child = reading->at->last = node;
    } else {
        reading->at->last->next = node;
        reading->at->last = node;
    }
    reading->at = node;
    buf_reset(&reading->text);
}

static void on_end(void *ctx, const XML_Char *name)
{
    (void)name;
    struct reading *reading = ctx;
    if (reading->at->child == NULL) {
        reading->at->text = arena_copy(reading->arena, buf_str(&reading->text));
    }
    buf_reset(&reading->text);
    reading->at = reading->at->parent;
    reading->depth--;
}

static void on_text(void *ctx, const XML_Char *text, int bytes)
{
    struct reading *reading = ctx;
    buf_append_bytes(&reading->text, text, bytes);
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int has_subset)
{
    (void)name;
    (void)system;
    (void)public;
    (void)has_subset;
    stop(ctx, ERR_SYNTAX);
}

err s3_xml_parse(struct arena *arena, str body, struct s3_xml **root_out)
{
    if (body.len > S3_XML_BYTES_MAX) {
        return ERR_LIMIT;
    }
    struct reading reading = {.arena = arena, .parser = XML_ParserCreate(NULL)};
    CHECK(reading.parser != NULL);
    XML_SetUserData(reading.parser, &reading);
    XML_SetElementHandler(reading.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading.parser, on_doctype);
    enum XML_Status status =
        XML_Parse(reading.parser, (const char *)body.data, (int)body.len, XML_TRUE);
    XML_ParserFree(reading.parser);
    buf_deinit(&reading.text);
    if (status != XML_STATUS_OK) {
        return reading.error != OK ? reading.error : ERR_SYNTAX;
    }
    *root_out = reading.root;
    return OK;
}

const struct s3_xml *s3_xml_child(const struct s3_xml *node, const char *name)
{
    for (const struct s3_xml *at = node == NULL ? NULL : node->child; at != NULL; at = at->next) {
        if (str_eq(at->name, str_of(name))) {
            return at;
        }
    }
    return NULL;
}

str s3_xml_text(const struct s3_xml *node, const char *name)
{
    const struct s3_xml *child = s3_xml_child(node, name);
    return child == NULL ? STR_EMPTY : str_trim(child->text);
}

/* --- writing
 * --------------------------------------------------------------------------------------- */

void s3_xml_begin(struct buf *out, const char *root)
{
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<%s xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
               root);
}

void s3_xml_open(struct buf *out, const char *name)
{
    buf_append_byte(out, '<');
    buf_append(out, str_of(name));
    buf_append_byte(out, '>');
}

void s3_xml_close(struct buf *out, const char *name)
{
    buf_append(out, STR("</"));
    buf_append(out, str_of(name));
    buf_append_byte(out, '>');
}

void s3_xml_put(struct buf *out, const char *name, str text)
{
    s3_xml_open(out, name);
    query_write_xml(out, text);
    s3_xml_close(out, name);
}

void s3_xml_put_u64(struct buf *out, const char *name, u64 value)
{
    s3_xml_open(out, name);
    buf_append_u64(out, value);
    s3_xml_close(out, name);
}

void s3_xml_put_bool(struct buf *out, const char *name, bool value)
{
    s3_xml_put(out, name, value ? STR("true") : STR("false"));
}

void s3_xml_put_time(struct buf *out, const char *name, i64 us)
{
    enum { SECOND_US = 1000000 };
    char text[32];
    isize len = cal_format_iso_ms(us / SECOND_US * SECOND_US, text);
    s3_xml_put(out, name, str_from(text, len));
}

void s3_xml_put_etag(struct buf *out, str etag)
{
    s3_xml_open(out, "ETag");
    buf_append(out, STR("&quot;"));
    query_write_xml(out, etag);
    buf_append(out, STR("&quot;"));
    s3_xml_close(out, "ETag");
}
