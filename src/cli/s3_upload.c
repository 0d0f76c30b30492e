/* cli/s3_upload.c: multipart upload. */
#include "cli/s3_upload.h"

#include "cli/options.h"
#include "feed/aws_client.h"
#include "os/os.h"

enum { PART_BYTES = 8 << 20, PARTS_MAX = 10000 };

struct upload {
    struct aws_client *client;
    struct arena arena;
    str path, id;
    struct buf parts; /* XML of CompleteMultipartUpload. */
    int number;
};

static str xml_text(str body, str open, str close)
{
    isize from = str_find(body, open, 0);
    isize to = from < 0 ? -1 : str_find(body, close, from);
    return to < 0 ? STR_EMPTY : str_slice(body, from + open.len, to);
}

/* False: printed. */
static bool call(struct upload *u, const char *method, str query, str body,
                 struct http_client_response *out)
{
    struct diag diag;
    diag_init(&diag);
    struct aws_client_request request = {
        .service = "s3", .method = str_of(method), .path = u->path, .query = query, .body = body};
    err e = aws_client_call(u->client, &request, &u->arena, out, &diag);
    if (e != OK) {
        print_error(NULL, "%s", diag.message);
        return false;
    }
    if (out->status / 100 != 2) {
        str message = xml_text(out->body, STR("<Message>"), STR("</Message>"));
        print_error(NULL, "S3 answered with status %d: " STR_FMT, out->status, STR_ARG(message));
        return false;
    }
    return true;
}

static bool part_put(struct upload *u, str bytes)
{
    struct http_client_response answer;
    str query =
        arena_printf(&u->arena, "partNumber=%d&uploadId=" STR_FMT, ++u->number, STR_ARG(u->id));
    if (!call(u, "PUT", query, bytes, &answer)) {
        return false;
    }
    buf_printf(&u->parts, "<Part><PartNumber>%d</PartNumber><ETag>" STR_FMT "</ETag></Part>",
               u->number, STR_ARG(aws_response_field(&answer, "etag")));
    return true;
}

static bool parts_put(struct upload *u, struct byte_source *source)
{
    struct buf part = {0};
    bool is_good = true;
    buf_append(&u->parts, STR("<CompleteMultipartUpload>"));
    do {
        buf_reset(&part);
        is_good = byte_source_read(source, PART_BYTES, &part) && part_put(u, buf_str(&part));
        if (is_good && u->number == PARTS_MAX && !byte_source_at_end(source)) {
            print_error(NULL, "an object has at most %d parts of 8 MiB", PARTS_MAX);
            is_good = false;
        }
    } while (is_good && !byte_source_at_end(source));
    buf_append(&u->parts, STR("</CompleteMultipartUpload>"));
    buf_deinit(&part);
    return is_good;
}

static bool upload_all(struct upload *u, struct byte_source *source)
{
    struct http_client_response answer;
    if (!call(u, "POST", STR("uploads="), STR_EMPTY, &answer)) {
        return false;
    }
    u->id = xml_text(answer.body, STR("<UploadId>"), STR("</UploadId>"));
    str query = arena_printf(&u->arena, "uploadId=" STR_FMT, STR_ARG(u->id));
    if (!parts_put(u, source)) {
        IGNORE(call(u, "DELETE", query, STR_EMPTY, &answer)); /* What failed was printed. */
        return false;
    }
    return call(u, "POST", query, buf_str(&u->parts), &answer);
}

int s3_upload(const char *endpoint, const char *region, str bucket, str key,
              struct byte_source *source)
{
    struct aws_client_options options = {
        .endpoint = endpoint,
        .region = str_of(region),
        .access_key = str_of(os_getenv("AWS_ACCESS_KEY_ID")),
        .secret = str_of(os_getenv("AWS_SECRET_ACCESS_KEY")),
    };
    struct upload u = {.client = aws_client_new(os_real(), &options)};
    u.path = aws_s3_path(&u.arena, bucket, key);
    bool is_good = upload_all(&u, source);
    aws_client_free(u.client);
    buf_deinit(&u.parts);
    arena_deinit(&u.arena);
    return is_good ? EXIT_OK : EXIT_REMOTE;
}
