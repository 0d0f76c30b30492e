/*
 * aws/s3/s3_xml.h: XML in and out, as S3's REST-XML protocol has it: elements and
 * text; no DTD, attributes ignored. On expat. Any thread.
 */
#ifndef AWS_S3_XML_H
#define AWS_S3_XML_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    S3_XML_BYTES_MAX = 8 << 20,
    S3_XML_NODES_MAX = 120000, /* 10,000 parts of up to nine elements. */
    S3_XML_DEPTH_MAX = 8,
};

struct s3_xml {
    str name; /* Without a prefix. */
    str text; /* Of an element without children; not trimmed. */
    struct s3_xml *parent, *child, *last, *next;
};

/* ERR_SYNTAX: not well-formed, or has a DTD; ERR_LIMIT. */
MUST_USE err s3_xml_parse(struct arena *arena, str body, struct s3_xml **root_out);
/* First child of that name; NULL when there is none (or node is NULL). */
const struct s3_xml *s3_xml_child(const struct s3_xml *node, const char *name);
/* Its text, trimmed; STR_EMPTY when absent. */
str s3_xml_text(const struct s3_xml *node, const char *name);

/* `<Name xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` behind the declaration. */
void s3_xml_begin(struct buf *out, const char *root);
void s3_xml_open(struct buf *out, const char *name);
void s3_xml_close(struct buf *out, const char *name);
void s3_xml_put(struct buf *out, const char *name, str text);
void s3_xml_put_u64(struct buf *out, const char *name, u64 value);
void s3_xml_put_bool(struct buf *out, const char *name, bool value);
/* "2026-11-24T01:02:03.000Z" */
void s3_xml_put_time(struct buf *out, const char *name, i64 us);
/* `<ETag>"..."</ETag>` */
void s3_xml_put_etag(struct buf *out, str etag);

#endif
