/* http_respond_pieces: an answer that is made while the client takes it. */
#include "loopback.h"

#include "net/http.h"
#include "os/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    WAIT_MS = 10000,
    LARGE_BYTES = 64 << 20, /* Much more than sockets hold. */
    SOCKETS_BYTES = 24 << 20,
    REQUESTS_MAX = 8,
    ROOMS_MAX = 1024,
    STRICT_MS = 1000,
    SIP_BYTES = 40000, /* Each tenth of a second. */
};

/* What the handler answers with: `/N` gives N bytes, each the low byte of its place times 7. */
struct source {
    struct shop *shop;
    i64 made, length;
};

struct shop {
    struct http_server *server;
    struct os_mutex lock;
    struct os_cond changed;
    struct source sources[REQUESTS_MAX];
    int begun, over;        /* lock */
    i64 made;               /* Of all; lock */
    isize rooms[ROOMS_MAX]; /* For the first pieces of all; lock */
    int room_count;         /* lock */
    isize piece_bytes;
};

static u8 byte_at(i64 place)
{
    return (u8)(place * 7 >> 3);
}

static isize next_piece(void *ctx, u8 *out, isize capacity)
{
    struct source *source = ctx;
    isize bytes = source->shop->piece_bytes > 0 ? source->shop->piece_bytes : capacity;
    bytes = (isize)MIN((i64)bytes, source->length - source->made);
    assert_true(capacity >= HTTP_PIECE_BYTES_MIN);
    for (isize i = 0; i < bytes; i++) {
        out[i] = byte_at(source->made + i);
    }
    source->made += bytes;
    os_mutex_lock(&source->shop->lock);
    source->shop->made += bytes;
    if (source->shop->room_count < ROOMS_MAX) {
        source->shop->rooms[source->shop->room_count++] = capacity;
    }
    os_mutex_unlock(&source->shop->lock);
    return bytes;
}

static void be_over(void *ctx)
{
    struct source *source = ctx;
    os_mutex_lock(&source->shop->lock);
    source->shop->over++;
    os_cond_broadcast(&source->shop->changed);
    os_mutex_unlock(&source->shop->lock);
}

static void handle(struct http_exchange *x, void *ctx)
{
    struct shop *shop = ctx;
    i64 length = 0;
    str path = http_path(x);
    if (str_to_i64(str_slice(path, 1, path.len), &length) != OK) {
        http_respond(x, 200, NULL, 0, STR("small"));
        return;
    }
    os_mutex_lock(&shop->lock);
    struct source *source = &shop->sources[shop->begun++];
    os_mutex_unlock(&shop->lock);
    *source = (struct source){.shop = shop, .length = length};
    struct http_pieces pieces = {length, next_piece, be_over, source};
    http_respond_pieces(x, 200, &(struct http_field){STR("X-Kind"), STR("pieces")}, 1, &pieces);
}

static int open_shop_of(void **state, u32 write_timeout_ms, isize answer_bytes)
{
    struct shop *shop = mem_zalloc((isize)sizeof *shop);
    os_mutex_init(&shop->lock);
    os_cond_init(&shop->changed);
    struct http_server_options options = {.loops = 1, .handler = handle, .handler_ctx = shop};
    options.limits.write_timeout_ms = write_timeout_ms;
    options.limits.answer_bytes = answer_bytes;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &shop->server, &diag), OK);
    *state = shop;
    return 0;
}

static int open_shop(void **state)
{
    return open_shop_of(state, 0, 0);
}

static int open_strict_shop(void **state)
{
    return open_shop_of(state, STRICT_MS, 0);
}

static int open_tight_shop(void **state)
{
    return open_shop_of(state, 0, 1);
}

static int close_shop(void **state)
{
    struct shop *shop = *state;
    if (shop->server != NULL) {
        http_server_stop(shop->server, 1);
    }
    os_cond_deinit(&shop->changed);
    os_mutex_deinit(&shop->lock);
    mem_free(shop);
    return 0;
}

/* Whether `count` answers were over in time. */
static bool wait_over(struct shop *shop, int count)
{
    os_mutex_lock(&shop->lock);
    while (shop->over < count && os_cond_wait_ms(&shop->changed, &shop->lock, WAIT_MS)) {
    }
    int over_now = shop->over;
    os_mutex_unlock(&shop->lock);
    return over_now == count;
}

static i64 made_now(struct shop *shop)
{
    os_mutex_lock(&shop->lock);
    i64 made = shop->made;
    os_mutex_unlock(&shop->lock);
    return made;
}

static int rooms_now(struct shop *shop)
{
    os_mutex_lock(&shop->lock);
    int count = shop->room_count;
    os_mutex_unlock(&shop->lock);
    return count;
}

static void ask(int fd, const char *path)
{
    char request[128];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    assert_int_equal(write(fd, request, (size_t)len), len);
}

static void ask_large(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/%d", LARGE_BYTES);
    ask(fd, path);
}

/* The header of an answer, in `out`. */
static void read_head(int fd, char *out, isize capacity)
{
    isize len = 0;
    while (len < 4 || memcmp(out + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < capacity - 1);
        assert_int_equal(recv(fd, out + len, 1, 0), 1);
        len++;
    }
    out[len] = '\0';
}

static void read_pattern(int fd, i64 from, i64 to)
{
    static u8 data[1 << 20];
    while (from < to) {
        isize got = recv(fd, data, (size_t)MIN(to - from, (i64)sizeof data), 0);
        assert_true(got > 0);
        for (isize i = 0; i < got; i++) {
            assert_int_equal(data[i], byte_at(from + i));
        }
        from += got;
    }
}

static void take_answer(int fd, i64 bytes)
{
    char head[1024], length[64];
    read_head(fd, head, sizeof head);
    snprintf(length, sizeof length, "\r\nContent-Length: %lld\r\n", (long long)bytes);
    assert_memory_equal(head, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(head, length));
    assert_non_null(strstr(head, "\r\nX-Kind: pieces\r\n"));
    read_pattern(fd, 0, bytes);
}

static void answers_of_all_lengths(void **state)
{
    struct shop *shop = *state;
    static const isize piece_bytes[] = {0, 1000, HTTP_PIECE_BYTES_MIN - 1};
    int count = 0;
    for (isize i = 0; i < COUNT_OF(piece_bytes); i++) {
        static const i64 lengths[] = {1, HTTP_PIECE_BYTES_MIN, (128 << 10) + 1, 3000000};
        shop->piece_bytes = piece_bytes[i];
        shop->begun = 0;
        int fd = loopback_connect(http_server_port(shop->server));
        for (isize k = 0; k < COUNT_OF(lengths); k++) { /* One after the other on a connection. */
            char path[32];
            snprintf(path, sizeof path, "/%lld", (long long)lengths[k]);
            ask(fd, path);
            take_answer(fd, lengths[k]);
            assert_true(wait_over(shop, ++count));
        }
        close(fd);
    }
}

static void answers_that_were_asked_for_ahead(void **state)
{
    struct shop *shop = *state;
    int fd = loopback_connect(http_server_port(shop->server));
    ask(fd, "/2000000");
    ask(fd, "/1");
    ask(fd, "/9000000");
    take_answer(fd, 2000000);
    take_answer(fd, 1);
    take_answer(fd, 9000000);
    assert_true(wait_over(shop, 3));
    close(fd);
}

static void a_slow_client_holds_no_more_than_a_piece(void **state)
{
    struct shop *shop = *state;
    int fd = loopback_connect(http_server_port(shop->server));
    char head[1024];
    ask_large(fd);
    read_head(fd, head, sizeof head);
    i64 made = -1;
    while (made_now(shop) > made) { /* Until the sockets are full. */
        made = made_now(shop);
        (void)usleep(200000);
    }
    assert_true(made < SOCKETS_BYTES);
    /* Others on the loop go on meanwhile. */
    int other = loopback_connect(http_server_port(shop->server));
    ask(other, "/small");
    read_head(other, head, sizeof head);
    assert_non_null(strstr(head, "Content-Length: 5\r\n"));
    close(other);
    assert_int_equal(made_now(shop), made);
    int rooms = rooms_now(shop);
    read_pattern(fd, 0, LARGE_BYTES);
    assert_true(wait_over(shop, 1));
    assert_int_equal(shop->rooms[rooms], shop->rooms[0]); /* What stood gets no larger ones. */
    close(fd);
}

static void who_takes_a_piece_at_once_gets_larger_ones(void **state)
{
    struct shop *shop = *state;
    int fd = loopback_connect(http_server_port(shop->server));
    isize most = 0;
    for (int i = 0; i < REQUESTS_MAX && most <= shop->rooms[0]; i++) {
        char head[1024];
        int first = rooms_now(shop);
        ask_large(fd);
        read_head(fd, head, sizeof head);
        read_pattern(fd, 0, LARGE_BYTES);
        assert_true(wait_over(shop, i + 1));
        assert_int_equal(shop->rooms[first], shop->rooms[0]); /* Each answer begins small. */
        for (int k = first; k < rooms_now(shop); k++) {
            most = MAX(most, shop->rooms[k]);
        }
    }
    assert_int_equal(most, 2 * shop->rooms[0]);
    close(fd);
}

static void pieces_stay_small_where_answers_hold_much(void **state)
{
    struct shop *shop = *state;
    int fd = loopback_connect(http_server_port(shop->server));
    char head[1024];
    ask_large(fd);
    read_head(fd, head, sizeof head);
    read_pattern(fd, 0, LARGE_BYTES);
    assert_true(wait_over(shop, 1));
    for (int i = 1; i < rooms_now(shop); i++) {
        assert_int_equal(shop->rooms[i], shop->rooms[0]);
    }
    close(fd);
}

static void a_client_that_leaves_frees_the_answer(void **state)
{
    struct shop *shop = *state;
    char head[1024];
    for (int i = 1; i <= 3; i++) {
        int fd = loopback_connect(http_server_port(shop->server));
        ask_large(fd);
        if (i > 1) {
            read_head(fd, head, sizeof head);
            read_pattern(fd, 0, i == 2 ? 100 : 5000000);
        }
        close(fd);
        assert_true(wait_over(shop, i));
    }
    assert_true(made_now(shop) < 3LL * LARGE_BYTES);
}

/* The kernel says that there is room when a third of its buffer is free, of megabytes. */
static void steady_clients_may_be_slow_but_not_stall(void **state)
{
    struct shop *shop = *state;
    int fd = loopback_connect(http_server_port(shop->server));
    char head[1024];
    ask_large(fd);
    read_head(fd, head, sizeof head);
    for (i64 at = 0; at < 50LL * SIP_BYTES; at += SIP_BYTES) {
        (void)usleep(100000);
        read_pattern(fd, at, at + SIP_BYTES);
    }
    os_mutex_lock(&shop->lock);
    int over = shop->over;
    os_mutex_unlock(&shop->lock);
    assert_int_equal(over, 0);
    assert_true(wait_over(shop, 1));
    assert_true(made_now(shop) < LARGE_BYTES);
    close(fd);
}

static void others_have_their_turn(void **state)
{
    struct shop *shop = *state;
    int greedy = loopback_connect(http_server_port(shop->server));
    int other = loopback_connect(http_server_port(shop->server));
    char head[1024];
    ask_large(greedy);
    read_head(greedy, head, sizeof head);
    for (i64 at = 0; at < LARGE_BYTES; at += LARGE_BYTES / 16) {
        read_pattern(greedy, at, at + LARGE_BYTES / 16);
        ask(other, "/small");
        read_head(other, head, sizeof head);
        u8 body[5];
        assert_int_equal(recv(other, body, sizeof body, MSG_WAITALL), 5);
    }
    assert_true(wait_over(shop, 1));
    close(other);
    close(greedy);
}

static void a_stop_frees_what_nobody_takes(void **state)
{
    struct shop *shop = *state;
    int fd = loopback_connect(http_server_port(shop->server));
    char head[1024];
    ask_large(fd);
    read_head(fd, head, sizeof head);
    http_server_stop(shop->server, 1);
    shop->server = NULL;
    assert_int_equal(shop->over, 1);
    close(fd);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* As leat does. */
#define SHOP_TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        SHOP_TEST(answers_of_all_lengths),
        SHOP_TEST(answers_that_were_asked_for_ahead),
        SHOP_TEST(a_slow_client_holds_no_more_than_a_piece),
        SHOP_TEST(who_takes_a_piece_at_once_gets_larger_ones),
        cmocka_unit_test_setup_teardown(pieces_stay_small_where_answers_hold_much, open_tight_shop,
                                        close_shop),
        SHOP_TEST(a_client_that_leaves_frees_the_answer),
        cmocka_unit_test_setup_teardown(steady_clients_may_be_slow_but_not_stall, open_strict_shop,
                                        close_shop),
        SHOP_TEST(others_have_their_turn),
        SHOP_TEST(a_stop_frees_what_nobody_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
