/* tests/crash/replay_scripts.c: a replay has its position in the log, where retention drops the
 * older ones: rows and position agree in every state. */
#include "place.h"
#include "service.h"

#include "base/buf.h"

enum { ROWS = 40 };

static const char row_text[] = "1,abc\n";

static u64 rows_durable(struct replays *replays, str id, bool *is_running_out)
{
    struct arena arena = {0};
    struct replay_status status = {.state = REPLAY_FAILED};
    err e = replay_get(replays, id, &arena, &status);
    *is_running_out = e == OK && status.state == REPLAY_RUNNING && !status.is_stalled;
    arena_deinit(&arena);
    return e == OK ? status.rows : 0;
}

static void wait_for_row(struct place *p, str id, int row)
{
    bool is_running = true;
    for (int turn = 0; is_running && place_wait(p, turn); turn++) {
        if (rows_durable(p->replays, id, &is_running) > (u64)row) {
            return;
        }
    }
    service_must(ERR_IO, "row");
}

static void push_row(struct place *p, str id, int row, bool is_last)
{
    struct arena arena = {0};
    struct replay_status status;
    service_must(replay_get(p->replays, id, &arena, &status), "replay");
    isize taken;
    struct buf bytes = {0};
    buf_printf(&bytes, "%s%s", row == 0 ? "Severity,Text\n" : "", row_text);
    service_must(
        replay_push(p->replays, id, 0, status.push_offset, buf_str(&bytes), is_last, &taken),
        "push");
    buf_deinit(&bytes);
    arena_deinit(&arena);
    wait_for_row(p, id, row);
}

/* Each step is a row; positions of earlier ones are dropped by retention all the while. */
void replay_run(struct service_script *script)
{
    struct place p;
    struct arena arena = {0};
    struct replay_status status;
    bool known;
    struct diag diag;
    diag_init(&diag);
    CHECK(place_open(&p, PLACE_REPLAYS));
    place_make(&p, "rows", 1);
    replays_start(p.replays, "http://127.0.0.1:1");
    struct replay_spec spec = {.source = REPLAY_PUSH,
                               .account = STR("000000000000"),
                               .region = STR("us-east-1"),
                               .stream = STR("rows"),
                               .name = STR("x")};
    service_must(replay_submit(p.replays, &spec, &arena, &status, &known, &diag), "submit");
    service_begin(script, 1);
    for (int i = 0; i < ROWS; i++) {
        push_row(&p, str_of(status.id), i, i == ROWS - 1);
        service_step_count(script);
        if (i % 4 == 3) {
            place_ballast(&p);
        }
    }
    arena_deinit(&arena);
    place_close(&p);
}

static isize rows_in(struct place *p, const char *name)
{
    struct stream_page *page = place_page(p, name);
    isize count = page == NULL ? -1 : stream_page_count(page);
    stream_page_free(page);
    return count;
}

/* Records of positions that are left. */
static isize positions_left(struct place *p)
{
    struct log_channel channel = {0, LOG_CONTROL_FEED};
    struct log_frame *frame;
    isize count = 0;
    u64 next = 0;
    while (log_frame_seek(p->log, channel, next, &frame) == OK) {
        struct log_run run;
        struct log_record record;
        CHECK(log_frame_find(frame, channel, &run));
        while (log_run_next(&run, &record)) {
            next = record.no + 1;
            count += record.body.data[0] == 'P';
        }
        log_frame_unref(frame);
    }
    return count;
}

u64 replay_read(void)
{
    struct place p;
    if (!place_open(&p, PLACE_REPLAYS)) {
        return 0;
    }
    bool is_running;
    u64 rows = rows_durable(p.replays, STR("replay-1"), &is_running);
    isize there = rows_in(&p, "rows");
    /* Two segments are not full yet or being rewritten; the rest keeps only the newest. */
    bool is_bounded = positions_left(&p) <= ROWS / 2;
    place_close(&p);
    return there == (isize)rows && is_bounded ? rows + 1 : 0;
}
