/*
 * bench/json_rows_bench.c: JSON rows to columns. 46 members of synthetic text as the founding
 * producer sends them, five columns wanted, the filter's column filled, then the others
 * for the rows that pass, and JSON out; for each set of instructions, compact and indented.
 *
 *     json_rows_bench [ROWS=20000] [SECONDS=1]
 */
#include "base/rng.h"
#include "codec/json_row_write.h"
#include "codec/json_rows_int.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_ROWS = 64, MEMBERS = 46, WANTED = 5 };

static const char *const names[MEMBERS] = {"ID",
                                           "Severity",
                                           "Start_Time",
                                           "End_Time",
                                           "Start_Lat",
                                           "Start_Lng",
                                           "End_Lat",
                                           "End_Lng",
                                           "Distance(mi)",
                                           "Description",
                                           "Street",
                                           "City",
                                           "County",
                                           "State",
                                           "Zipcode",
                                           "Country",
                                           "Timezone",
                                           "Airport_Code",
                                           "Weather_Timestamp",
                                           "Temperature(F)",
                                           "Wind_Chill(F)",
                                           "Humidity(%)",
                                           "Pressure(in)",
                                           "Visibility(mi)",
                                           "Wind_Direction",
                                           "Wind_Speed(mph)",
                                           "Precipitation(in)",
                                           "Weather_Condition",
                                           "Amenity",
                                           "Bump",
                                           "Crossing",
                                           "Give_Way",
                                           "Junction",
                                           "No_Exit",
                                           "Railway",
                                           "Roundabout",
                                           "Station",
                                           "Stop",
                                           "Traffic_Calming",
                                           "Traffic_Signal",
                                           "Turning_Loop",
                                           "Sunrise_Sunset",
                                           "Civil_Twilight",
                                           "Nautical_Twilight",
                                           "Astronomical_Twilight",
                                           "Txn_Timestamp"};

static void put_value(struct buf *out, int member, u64 random)
{
    static const char *const places[] = {"Alder", "Birchfield", "Cedar Hollow", "Dunmore"};
    if (member == 0) {
        buf_printf(out, "A-%u", (unsigned)(random % 7000000));
    } else if (member == 1) {
        buf_printf(out, "%d", random % 1000 < 20 ? 4 : 2 + (int)(random % 2));
    } else if (member == 2 || member == 3 || member == 18 || member == 45) {
        buf_printf(out, "2026-%02d-%02dT%02d:%02d:%02d", 1 + (int)(random % 12),
                   1 + (int)(random / 16 % 28), (int)(random / 512 % 24),
                   (int)(random / 16384 % 60), (int)(random >> 30 & 31));
        buf_append(out, member == 45 ? STR(".123456") : STR_EMPTY);
    } else if (member < 9 || (member >= 19 && member <= 26 && member != 24)) {
        buf_printf(out, "%d.%d", (int)(random % 90), (int)(random >> 20 & 1023));
    } else if (member == 9) {
        buf_printf(out, "Slow traffic on %s Road from %s Street to Exit %d, two lanes are closed.",
                   places[random & 3], places[random >> 2 & 3], (int)(random >> 10 & 255));
    } else if (member < 28) {
        buf_append(out, str_of(places[random >> 5 & 3]));
    } else if (member < 41) {
        buf_append(out, random >> member & 1 ? STR("True") : STR("False"));
    } else {
        buf_append(out, random >> 9 & 1 ? STR("Day") : STR("Night"));
    }
}

static void put_row(struct buf *out, struct rng *rng, bool is_indented)
{
    buf_append_byte(out, '{');
    for (int i = 0; i < MEMBERS; i++) {
        buf_append(out, i > 0 ? STR(",") : STR_EMPTY);
        buf_append(out, is_indented ? STR("\n    ") : STR_EMPTY);
        buf_printf(out, is_indented ? "\"%s\": \"" : "\"%s\":\"", names[i]);
        put_value(out, i, rng_next(rng));
        buf_append_byte(out, '"');
    }
    buf_append(out, is_indented ? STR("\n}") : STR("}"));
}

struct run {
    struct json_rows *rows;
    struct json_row_writer *writer;
    struct arena arena;
    struct buf out;
    isize passed;
};

static void run_chunk(struct run *run, const str *messages, isize count)
{
    struct json_scan scan;
    struct vec cols[WANTED];
    u16 kept[BATCH_ROWS_MAX];
    struct sel all = {NULL, 0}, some = {kept, 0};
    arena_reset(&run->arena);
    json_rows_scan(run->rows, messages, count, &run->arena, &scan);
    CHECK(scan.row_count == count && scan.issue_count == 0);
    all.count = scan.row_count;
    json_rows_fill(run->rows, &scan, 1, &all, &run->arena, &cols[1]);
    for (isize i = 0; i < scan.row_count; i++) {
        kept[some.count] = (u16)i;
        some.count += VEC(i64, &cols[1])[i] > 3;
    }
    for (isize i = 0; i < WANTED && some.count > 0; i++) {
        if (i != 1) {
            json_rows_fill(run->rows, &scan, i, &some, &run->arena, &cols[i]);
        }
    }
    buf_reset(&run->out);
    for (isize i = 0; i < some.count; i++) {
        json_row_write(run->writer, cols, kept[i], &run->out);
    }
    run->passed += some.count;
}

static void measure(const struct type_field *fields, const str *messages, isize count, int level,
                    double seconds, const char *form)
{
    static const char *const levels[] = {"general", "plain C", "AVX2"};
    struct json_rows_options in = {.is_iso_timestamps = true};
    struct json_row_options to = {.is_iso_timestamps = true};
    struct run run = {
        json_rows_new(fields, WANTED, &in), json_row_writer_new(fields, WANTED, &to), {0}, {0}, 0};
    run.rows->layout.level = (enum json_level)level;
    isize bytes = 0, rounds = 0;
    u64 start = os_mono_ns(os_real()), now = start;
    while ((double)(now - start) < seconds * 1e9) {
        for (isize i = 0; i < count; i += CHUNK_ROWS) {
            run_chunk(&run, messages + i, MIN(CHUNK_ROWS, count - i));
        }
        rounds++;
        now = os_mono_ns(os_real());
    }
    for (isize i = 0; i < count; i++) {
        bytes += messages[i].len;
    }
    double spent = (double)(now - start);
    printf("%-8s  %-8s  %6.2f GB/s  %8.0f rows/s  %5.2f %% pass\n", form, levels[level],
           (double)(bytes * rounds) / spent, (double)(count * rounds) / spent * 1e9,
           100.0 * (double)run.passed / (double)(count * rounds));
    json_rows_free(run.rows);
    json_row_writer_free(run.writer);
    arena_deinit(&run.arena);
    buf_deinit(&run.out);
}

int main(int argc, char **argv)
{
    isize count = argc > 1 ? (isize)strtol(argv[1], NULL, 10) : 20000;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    struct arena arena = {0};
    struct type_field fields[WANTED] = {
        {STR("ID"), type_of(TYPE_VARCHAR), STR_EMPTY},
        {STR("Severity"), type_of(TYPE_BIGINT), STR_EMPTY},
        {STR("City"), type_of(TYPE_VARCHAR), STR_EMPTY},
        {STR("County"), type_of(TYPE_VARCHAR), STR_EMPTY},
        {STR("Txn_Timestamp"), type_timestamp(&arena, TYPE_TIMESTAMP, 3), STR_EMPTY},
    };
    for (int form = 0; form < 2; form++) {
        struct rng rng;
        rng_init(&rng, 1);
        struct buf text = {0};
        str *messages = ARENA_ARRAY(&arena, str, count);
        for (isize i = 0; i < count; i++) {
            isize before = text.len;
            put_row(&text, &rng, form == 1);
            messages[i].len = text.len - before;
        }
        isize at = 0;
        for (isize i = 0; i < count; i++) {
            messages[i].data = text.data + at;
            at += messages[i].len;
        }
        printf("%.0f bytes a row\n", (double)text.len / (double)count);
        for (int level = JSON_LEVEL_GENERAL; level <= (int)json__best_level(); level++) {
            measure(fields, messages, count, level, seconds, form == 1 ? "indent=4" : "compact");
        }
        buf_deinit(&text);
    }
    arena_deinit(&arena);
    return 0;
}
