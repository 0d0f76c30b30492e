/* feed/generate.c: one row from (seed, index). What stands where in a row follows the published
 * files; the shares are those of feed/tables.c and docs/generator.md. */
#include "feed/generate.h"

#include "base/cal.h"
#include "base/hash.h"
#include "base/rng.h"
#include "feed/tables.h"

enum {
    MILLION = 1000000,
    FIRST_YEAR = 2016,
    DAYS_MAX = 8 * 366,
    SECONDS_OF_DAY = 86400,
    BLOCKS = 16,
    ORDER_JITTER_S = 6 * 3600,
};

struct feed_generator {
    struct feed_options options;
    i64 day_first; /* Days since 1970 of 2016-01-14, where the data begin. */
    isize day_count;
    double day_share[DAYS_MAX + 1];   /* Cumulative, to 1. */
    double hour_share[2][25];         /* Cumulative: weekday, weekend. */
    i32 city_first[64], city_end[64]; /* Range of feed_cities per state. */
};

/* --- picking ------------------------------------------------------------------------------------
 */

static bool chance(struct rng *rng, u32 ppm)
{
    return rng_below(rng, MILLION) < ppm;
}

static i64 between(struct rng *rng, i64 low, i64 high)
{
    return low + (i64)rng_below(rng, (u64)(high - low + 1));
}

/* Sum of twelve uniforms: close enough to normal for a map. */
static i64 normal(struct rng *rng, i64 mean, i64 deviation)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += rng_unit(rng);
    }
    return mean + (i64)(sum * (double)deviation);
}

/* Index of a row of `table`, by the i32 weight that stands `offset` bytes into each. */
static isize pick(struct rng *rng, const void *table, isize count, isize stride, isize offset)
{
    const u8 *weight = (const u8 *)table + offset;
    i64 total = 0;
    for (isize i = 0; i < count; i++) {
        total += (i32)get_u32(weight + i * stride);
    }
    i64 at = (i64)rng_below(rng, (u64)total);
    isize i = 0;
    while (i < count - 1 && at >= (i32)get_u32(weight + i * stride)) {
        at -= (i32)get_u32(weight + i * stride);
        i++;
    }
    return i;
}

#define PICK_ROW(rng, table, type)                                     \
    (&(table)[pick((rng), (table), table##_count, (isize)sizeof(type), \
                   (isize)offsetof(type, weight))])

/* --- place --------------------------------------------------------------------------------------
 */

static const char *const tail_first[] = {"Cedar", "Oak",    "Maple",  "Spring", "Clear",  "Fair",
                                         "Green", "Mill",   "Stone",  "River",  "Lake",   "North",
                                         "East",  "West",   "South",  "Pine",   "Elm",    "Ash",
                                         "Rock",  "Silver", "Golden", "Harbor", "Bridge", "Glen"};
static const char *const tail_last[] = {
    "ville", "ton",  " Falls", " Grove", " Springs", " Heights", "field", "wood",  " Junction",
    "dale",  "burg", " Park",  "ford",   "port",     " Creek",   "brook", " City", "mont"};
static const char *const street_names[] = {
    "Main",     "Park",   "Washington", "Lincoln", "Jackson", "Highland", "Church",
    "Mill",     "Lake",   "Sunset",     "Valley",  "Ridge",   "College",  "Center",
    "Franklin", "Market", "River",      "Hickory", "Willow",  "Dogwood"};
static const char *const street_kinds[] = {"St", "Ave", "Rd", "Blvd", "Dr", "Ln", "Hwy", "Pkwy"};
static const char *const lanes[] = {"Right lane", "Left lane", "Lane", "Right hand shoulder",
                                    "Two lanes"};

struct place {
    const struct feed_state *state;
    char city[48], county[48], street[64], cross[64];
    const char *zone;
    char airport[8];
    i64 lat, lng; /* Micro-degrees. */
    i32 zip;
};

#define PICK(rng, array) ((array)[rng_below((rng), (u64)COUNT_OF(array))])

static void name_copy(char *out, isize capacity, const char *a, const char *b)
{
    str_copy_cstr(str_of(a), out, capacity);
    isize used = (isize)strlen(out);
    str_copy_cstr(str_of(b), out + used, capacity - used);
}

static void street_pick(struct rng *rng, char *out, isize capacity)
{
    if (chance(rng, 450000)) {
        str_copy_cstr(str_of(PICK_ROW(rng, feed_streets, struct feed_weight)->name), out, capacity);
        return;
    }
    name_copy(out, capacity, PICK(rng, street_names), " ");
    isize used = (isize)strlen(out);
    str_copy_cstr(str_of(PICK(rng, street_kinds)), out + used, capacity - used);
}

static void city_known(struct rng *rng, const struct feed_city *city, struct place *place)
{
    name_copy(place->city, (isize)sizeof place->city, city->name, "");
    name_copy(place->county, (isize)sizeof place->county, city->county, "");
    name_copy(place->airport, (isize)sizeof place->airport, city->airport, "");
    place->zone = city->zone;
    place->lat = normal(rng, city->lat, city->lat_sd);
    place->lng = normal(rng, city->lng, city->lng_sd);
    place->zip = city->zip3 * 100 + (i32)rng_below(rng, 100);
}

static void city_tail(struct rng *rng, const struct feed_state *state, struct place *place)
{
    const char *first = PICK(rng, tail_first);
    name_copy(place->city, (isize)sizeof place->city, first, PICK(rng, tail_last));
    name_copy(place->county, (isize)sizeof place->county, PICK(rng, tail_first), "");
    place->zone = state->zone;
    place->airport[0] = 'K';
    for (int i = 1; i < 4; i++) {
        place->airport[i] = (char)('A' + rng_below(rng, 26));
    }
    place->lat = between(rng, state->lat_low, state->lat_high);
    place->lng = between(rng, state->lng_low, state->lng_high);
    place->zip = (i32)between(rng, 1000, 99999);
}

static void place_pick(const struct feed_generator *g, struct rng *rng, struct place *place)
{
    memset(place, 0, sizeof *place);
    place->state = PICK_ROW(rng, feed_states, struct feed_state);
    isize state = place->state - feed_states;
    i64 at = (i64)rng_below(rng, (u64)MAX(place->state->weight, 1));
    i32 city = g->city_first[state];
    while (city < g->city_end[state] && at >= feed_cities[city].weight) {
        at -= feed_cities[city++].weight;
    }
    if (city < g->city_end[state]) {
        city_known(rng, &feed_cities[city], place);
    } else {
        city_tail(rng, place->state, place);
    }
    street_pick(rng, place->street, (isize)sizeof place->street);
    street_pick(rng, place->cross, (isize)sizeof place->cross);
}

/* --- time ---------------------------------------------------------------------------------------
 */

static isize share_find(const double *cumulative, isize count, double share)
{
    isize low = 0, high = count - 1;
    while (low < high) {
        isize middle = (low + high) / 2;
        if (cumulative[middle + 1] <= share) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Second since 1970 at `share` (0 to 1) of all accidents: ascending in share. */
static i64 time_at(const struct feed_generator *g, double share)
{
    isize day = share_find(g->day_share, g->day_count, share);
    double width = g->day_share[day + 1] - g->day_share[day];
    double rest = width > 0 ? (share - g->day_share[day]) / width : 0;
    const double *hours = g->hour_share[(g->day_first + day + 3) % 7 >= 5];
    isize hour = share_find(hours, 24, rest);
    double hour_width = hours[hour + 1] - hours[hour];
    double within = hour_width > 0 ? (rest - hours[hour]) / hour_width : 0;
    i64 second = (i64)(within * 3600);
    return (g->day_first + day) * SECONDS_OF_DAY + hour * 3600 + MIN(MAX(second, 0), 3599);
}

static i64 time_pick(const struct feed_generator *g, struct rng *rng, u64 index)
{
    double rows = (double)MAX(g->options.rows, 1);
    double share = ((double)index + rng_unit(rng)) / rows;
    if (g->options.order == FEED_ORDER_SHUFFLED || share >= 1) {
        return time_at(g, rng_unit(rng));
    }
    if (g->options.order == FEED_ORDER_SORTED) {
        return time_at(g, share);
    }
    /* Blocks in an order of their own: 5 is coprime to BLOCKS. */
    isize block = (isize)(share * BLOCKS);
    double moved = (double)(block * 5 % BLOCKS) / BLOCKS + share - (double)block / BLOCKS;
    i64 at = time_at(g, moved);
    return chance(rng, 200000) ? at - between(rng, 1, ORDER_JITTER_S) : at;
}

static void time_append(struct buf *out, i64 second)
{
    struct cal cal;
    cal_from_us(second * MILLION, &cal);
    i32 parts[] = {cal.month, cal.day, cal.hour, cal.minute, cal.second};
    const char *marks = "-- ::";
    buf_append_i64(out, cal.year);
    for (int i = 0; i < 5; i++) {
        u8 text[3] = {(u8)marks[i], (u8)('0' + parts[i] / 10), (u8)('0' + parts[i] % 10)};
        buf_append_bytes(out, text, 3);
    }
}

/* --- the rest of a row
 * ---------------------------------------------------------------------------- */

struct row {
    u64 index;
    struct place place;
    int source; /* 1 to 3 */
    int severity;
    i64 start_s, end_s;
    bool is_long_fraction;
    bool has_end;
    i64 end_lat, end_lng;
    const struct feed_weather *weather; /* NULL: every weather field is empty. */
    int dirt;                           /* enum dirt */
};

enum dirt {
    DIRT_NONE,
    DIRT_QUOTED,
    DIRT_TIME,
    DIRT_EMPTY_CITY,
    DIRT_NOT_ASCII,
    DIRT_BACKSLASH,
    DIRT_LONG,
    DIRT_SHORT_ROW,
    DIRT_DUPLICATE_ID,
    DIRT_COUNT
};

static int severity_pick(struct rng *rng, const struct feed_state *state)
{
    i32 at = (i32)rng_below(rng, 10000);
    int severity = 1;
    while (severity < 4 && at >= state->severity[severity - 1]) {
        severity++;
    }
    return severity;
}

static int source_pick(struct rng *rng, int severity)
{
    /* Share of Source1 among Source1 and Source2, given the severity. */
    static const u32 first_ppm[] = {0, 453000, 645000, 135000, 926000};
    if (chance(rng, 12600)) {
        return 3;
    }
    return chance(rng, first_ppm[severity]) ? 1 : 2;
}

/* Seconds, by interpolation between published percentiles (tenths of minutes). */
static i64 duration_pick(struct rng *rng, int source)
{
    static const i32 points[] = {0,      10000,  50000,  100000, 250000, 500000,
                                 750000, 900000, 950000, 990000, 1000000};
    static const i32 tenths[4][11] = {
        {0},
        {60, 135, 245, 328, 771, 1188, 1703, 3600, 4200, 14789, 144000},
        {150, 284, 292, 295, 297, 446, 600, 905, 1198, 1906, 20000},
        {150, 282, 291, 294, 297, 455, 615, 896, 1107, 2702, 3100},
    };
    i32 at = (i32)rng_below(rng, MILLION);
    int i = 0;
    while (i < 9 && at >= points[i + 1]) {
        i++;
    }
    double part = (double)(at - points[i]) / (double)(points[i + 1] - points[i]);
    double value = tenths[source][i] + part * (tenths[source][i + 1] - tenths[source][i]);
    return (i64)(value * 6);
}

static void decimal_append(struct buf *out, i64 value, i64 unit, int digits)
{
    if (value < 0) {
        buf_append_byte(out, '-');
        value = -value;
    }
    buf_append_i64(out, value / unit);
    buf_append_byte(out, '.');
    u8 text[20];
    i64 rest = value % unit;
    for (int i = digits - 1; i >= 0; i--) {
        text[i] = (u8)('0' + rest % 10);
        rest /= 10;
    }
    while (digits > 1 && text[digits - 1] == '0') {
        digits--;
    }
    buf_append_bytes(out, text, digits);
}

/* Six decimals mostly; 15 % carry the noise of a double, 15 % fewer digits. */
static void degrees_append(struct buf *out, struct rng *rng, i64 micro)
{
    u64 form = rng_below(rng, 100);
    if (form < 15) {
        micro -= micro % 10;
    }
    decimal_append(out, micro, MILLION, 6);
    if (form >= 85) {
        if (micro % 10 == 0) {
            return;
        }
        buf_append_u64(out, 10000000 + rng_below(rng, 90000000));
    }
}

static void comma(struct buf *out)
{
    buf_append_byte(out, ',');
}

static void text_append(struct buf *out, const char *text)
{
    buf_append(out, str_of(text));
    comma(out);
}

static void road_text(struct buf *out, const struct row *row, struct rng *rng)
{
    const struct place *p = &row->place;
    static const char *const advice[] = {"Drive with caution.", "Expect delays.",
                                         "Road closed. Take alternate route.",
                                         "Expect long delays.", "Left lane blocked."};
    if (row->severity == 4) {
        buf_printf(out, "Closed at %s - Road closed due to accident.", p->cross);
    } else if (row->source == 1) {
        u64 form = rng_below(rng, 100);
        if (form < 52) {
            buf_printf(out, "Incident on %s near %s %s", p->street, p->cross, PICK(rng, advice));
        } else if (form < 85) {
            buf_printf(out, "%s traffic on %s from %s to %s due to accident.",
                       form < 70 ? "Slow" : "Stationary", p->street, p->cross, p->city);
        } else {
            buf_printf(out, "At %s - Accident.", p->cross);
        }
    } else if (rng_below(rng, 100) < 58) {
        buf_printf(out, "Accident on %s at %s.", p->street, p->cross);
    } else {
        buf_printf(out, "%s blocked due to accident on %s at %s.", PICK(rng, lanes), p->street,
                   p->cross);
    }
}

static void description_append(struct buf *out, const struct row *row, struct rng *rng)
{
    switch (row->dirt) {
    case DIRT_QUOTED:
        buf_append(out, STR("\"Crash, two vehicles.\nSaid \"\"minor\"\" by the caller\""));
        break;
    case DIRT_NOT_ASCII:
        buf_append(out,
                   STR("Accident near Caf\xc3\xa9 Pap\xc3\xa9 \xf0\x9f\x9a\xa7 cleared.\xc2\xa0"));
        break;
    case DIRT_BACKSLASH:
        buf_append(out, STR("Accident on Old\\tPike at GETTYSBURG\\CAMP HILL."));
        break;
    case DIRT_LONG:
        for (int i = 0; i < 40; i++) {
            buf_append(out, STR("Queueing traffic behind the accident. "));
        }
        break;
    default:
        road_text(out, row, rng);
    }
    comma(out);
}

static void number_or_empty(struct buf *out, struct rng *rng, u32 empty_ppm, i64 value, i64 unit,
                            int digits)
{
    if (!chance(rng, empty_ppm)) {
        decimal_append(out, value, unit, digits);
    }
    comma(out);
}

static void weather_append(struct buf *out, const struct row *row, struct rng *rng)
{
    const struct feed_weather *w = row->weather;
    if (w == NULL) {
        buf_append_fill(out, ',', 10);
        return;
    }
    static const i32 month_shift[] = {-16, -13, -6, 0, 8, 15, 18, 17, 12, 3, -7, -14};
    struct cal cal;
    cal_from_us(row->start_s * MILLION, &cal);
    time_append(out, row->start_s - row->start_s % 60 + 60 * between(rng, -31, 30));
    comma(out);
    i64 spread = MAX(w->temp_p90 - w->temp_p10, 4);
    i64 temp = normal(rng, w->temp_p50 + month_shift[cal.month - 1], spread / 3);
    number_or_empty(out, rng, 5700, temp * 10, 10, 1);
    number_or_empty(out, rng, 247000, temp * 10, 10, 1);
    i64 humidity = normal(rng, w->humidity, 14);
    number_or_empty(out, rng, 7000, MIN(MAX(humidity, 1), 100) * 10, 10, 1);
    number_or_empty(out, rng, 2700, normal(rng, 2985, 30), 100, 2);
    bool is_clear = chance(rng, 700000);
    number_or_empty(out, rng, 7500, is_clear ? w->visibility_p50 : w->visibility_p10, 10, 1);
    if (!chance(rng, 7300)) {
        buf_append(out, str_of(PICK_ROW(rng, feed_winds, struct feed_weight)->name));
    }
    comma(out);
    i64 wind = normal(rng, w->wind_p50, MAX(w->wind_p90 - w->wind_p50, 1));
    number_or_empty(out, rng, 59300, MAX(wind, 0) * 10, 10, 1);
    number_or_empty(out, rng, 273600, chance(rng, 95000) ? between(rng, 1, 17) : 0, 100, 2);
    if (!chance(rng, 7000)) {
        buf_append(out, str_of(w->condition));
    }
    comma(out);
}

static void flags_append(struct buf *out, struct rng *rng)
{
    /* Amenity to Turning_Loop, in the order of the file, parts per million. */
    static const u32 flags[] = {12500, 450,   113100, 4700, 73900,  2500, 8700,
                                30,    26100, 27000,  1000, 148000, 0};
    bool has_signal = chance(rng, flags[11]);
    for (int i = 0; i < COUNT_OF(flags); i++) {
        bool is_set = i == 11  ? has_signal
                      : i == 2 ? chance(rng, has_signal ? 473000 : 50600)
                               : chance(rng, flags[i]);
        buf_append(out, is_set ? STR("True,") : STR("False,"));
    }
}

/* Sunrise_Sunset, then civil, nautical and astronomical twilight: each is day when the one before
 * is. */
static void daylight_append(struct buf *out, const struct row *row, struct rng *rng)
{
    static const u8 night_percent[24] = {100, 100, 100, 100, 100, 95, 60, 15, 0,  0,   0,   0,
                                         0,   0,   0,   0,   8,   30, 52, 70, 85, 100, 100, 100};
    static const u8 reach[] = {100, 85, 70, 58};
    i64 hour = row->start_s % SECONDS_OF_DAY / 3600;
    bool is_deep = hour >= 22 || hour <= 3;
    u64 at = rng_below(rng, 10000);
    for (int i = 0; i < 4; i++) {
        u64 limit = (u64)night_percent[hour] * (is_deep ? 100 : reach[i]);
        buf_append(out, at < limit ? STR("Night") : STR("Day"));
        buf_append_byte(out, i < 3 ? ',' : '\n');
    }
}

/* --- whole rows
 * ----------------------------------------------------------------------------------- */

static void row_make(const struct feed_generator *g, u64 index, struct rng *rng, struct row *row)
{
    memset(row, 0, sizeof *row);
    row->index = index;
    if (chance(rng, g->options.dirty_ppm)) {
        row->dirt = (int)between(rng, DIRT_NONE + 1, DIRT_COUNT - 1);
    }
    place_pick(g, rng, &row->place);
    row->severity = severity_pick(rng, row->place.state);
    row->source = source_pick(rng, row->severity);
    row->start_s = time_pick(g, rng, index);
    row->end_s = row->start_s + duration_pick(rng, row->source);
    row->is_long_fraction = g->options.layout == FEED_LAYOUT_46 && chance(rng, 96000);
    row->has_end = row->source == 1;
    row->end_lat = row->place.lat + between(rng, -5000, 5000);
    row->end_lng = row->place.lng + between(rng, -5000, 5000);
    row->weather = chance(rng, 15560) ? NULL : PICK_ROW(rng, feed_weathers, struct feed_weather);
}

static void when_append(struct buf *out, const struct row *row)
{
    i64 times[] = {row->start_s, row->end_s};
    for (int i = 0; i < 2; i++) {
        if (row->dirt == DIRT_TIME && i == 0) {
            buf_append(out, STR("46:13.0"));
        } else {
            time_append(out, times[i]);
            if (row->is_long_fraction) {
                buf_append(out, STR(".000000000"));
            }
        }
        comma(out);
    }
}

static void where_append(struct buf *out, const struct row *row, struct rng *rng)
{
    degrees_append(out, rng, row->place.lat);
    comma(out);
    degrees_append(out, rng, row->place.lng);
    comma(out);
    if (row->has_end) {
        degrees_append(out, rng, row->end_lat);
        comma(out);
        degrees_append(out, rng, row->end_lng);
    } else {
        comma(out);
    }
    comma(out);
    bool is_zero = row->source == 2 && chance(rng, 840000);
    decimal_append(out, is_zero ? 0 : between(rng, 1, 1200), 1000, 3);
    comma(out);
}

static void address_append(struct buf *out, const struct row *row, struct rng *rng,
                           enum feed_layout layout)
{
    const struct place *p = &row->place;
    if (layout != FEED_LAYOUT_46) {
        number_or_empty(out, rng, 650000, between(rng, 1, 9999) * 10, 10, 1);
    }
    if (row->source == 1 && chance(rng, 400000)) {
        buf_append_byte(out, ' ');
    }
    text_append(out, p->street);
    if (layout != FEED_LAYOUT_46) {
        text_append(out, chance(rng, 810000) ? "R" : "L");
    }
    text_append(out, row->dirt == DIRT_EMPTY_CITY || chance(rng, 33) ? "" : p->city);
    text_append(out, p->county);
    text_append(out, p->state->code);
    u8 zip[5];
    for (int i = 4, rest = p->zip; i >= 0; i--, rest /= 10) {
        zip[i] = (u8)('0' + rest % 10);
    }
    buf_append_bytes(out, zip, 5);
    if (chance(rng, 300000)) {
        buf_append_byte(out, '-');
        buf_append_i64(out, between(rng, 1000, 9999));
    }
    buf_append(out, STR(",US,"));
    text_append(out, chance(rng, 1000) ? "" : p->zone);
    text_append(out, chance(rng, 2900) ? "" : p->airport);
}

void feed_generate_row(const struct feed_generator *g, u64 index, struct buf *out)
{
    u64 key[2] = {g->options.seed, index};
    struct rng rng;
    rng_init(&rng, hash64(key, (isize)sizeof key, 0));
    struct row row;
    row_make(g, index, &rng, &row);
    enum feed_layout layout = g->options.layout;

    u64 id = row.dirt == DIRT_DUPLICATE_ID && index > 0 ? index : index + 1;
    buf_append(out, STR("A-"));
    buf_append_u64(out, id);
    comma(out);
    if (row.dirt == DIRT_SHORT_ROW) {
        buf_append_i64(out, row.severity);
        buf_append_byte(out, '\n');
        return;
    }
    if (layout == FEED_LAYOUT_46) {
        buf_printf(out, "Source%d,", row.source);
    } else if (layout == FEED_LAYOUT_49) {
        static const char *const sources[] = {"", "Bing,,", "MapQuest,201.0,",
                                              "MapQuest-Bing,241.0,"};
        buf_append(out, str_of(sources[row.source]));
    }
    buf_append_i64(out, row.severity);
    comma(out);
    when_append(out, &row);
    where_append(out, &row, &rng);
    description_append(out, &row, &rng);
    address_append(out, &row, &rng, layout);
    weather_append(out, &row, &rng);
    flags_append(out, &rng);
    daylight_append(out, &row, &rng);
}

void feed_generate_header(const struct feed_generator *g, struct buf *out)
{
    enum feed_layout layout = g->options.layout;
    bool is_46 = layout == FEED_LAYOUT_46;
    buf_append(out, STR("ID,"));
    if (layout != FEED_LAYOUT_47) {
        buf_append(out, is_46 ? STR("Source,") : STR("Source,TMC,"));
    }
    buf_append(out, STR("Severity,Start_Time,End_Time,Start_Lat,Start_Lng,End_Lat,End_Lng,"
                        "Distance(mi),Description,"));
    buf_append(out, is_46 ? STR("Street,") : STR("Number,Street,Side,"));
    buf_append(out, STR("City,County,State,Zipcode,Country,Timezone,Airport_Code,Weather_Timestamp,"
                        "Temperature(F),Wind_Chill(F),Humidity(%),Pressure(in),Visibility(mi),"
                        "Wind_Direction,Wind_Speed(mph),Precipitation(in),Weather_Condition,"
                        "Amenity,Bump,Crossing,Give_Way,Junction,No_Exit,Railway,Roundabout,"
                        "Station,Stop,Traffic_Calming,Traffic_Signal,Turning_Loop,Sunrise_Sunset,"
                        "Civil_Twilight,Nautical_Twilight,Astronomical_Twilight\n"));
}

/* --- making a generator
 * ---------------------------------------------------------------------------- */

static void days_init(struct feed_generator *g)
{
    g->day_first = cal_days_from_civil(FIRST_YEAR, 1, 14);
    i64 day_last = cal_days_from_civil(2023, 3, 31);
    g->day_count = (isize)(day_last - g->day_first + 1);
    CHECK(g->day_count <= DAYS_MAX);
    double year_total[8] = {0};
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;
        for (isize i = 0; i < g->day_count; i++) {
            i64 day = g->day_first + i, year;
            i32 month, day_of_month;
            cal_civil_from_days(day, &year, &month, &day_of_month);
            double weight = (double)feed_months[month - 1] / cal_month_days(year, month) *
                            feed_weekdays[(day + 3) % 7];
            isize y = (isize)(year - FIRST_YEAR);
            if (pass == 0) {
                year_total[y] += weight;
                continue;
            }
            g->day_share[i] = sum;
            sum += weight / year_total[y] * feed_years[y];
        }
        for (isize i = 0; pass == 1 && i <= g->day_count; i++) {
            g->day_share[i] = i == g->day_count ? 1 : g->day_share[i] / sum;
        }
    }
}

static void hours_init(double *cumulative, const i32 *weights)
{
    double total = 0;
    for (int i = 0; i < 24; i++) {
        total += weights[i];
    }
    double sum = 0;
    for (int i = 0; i < 24; i++) {
        cumulative[i] = sum / total;
        sum += weights[i];
    }
    cumulative[24] = 1;
}

struct feed_generator *feed_generator_new(const struct feed_options *options)
{
    CHECK(feed_states_count <= 64);
    struct feed_generator *g = NEW(struct feed_generator);
    g->options = *options;
    days_init(g);
    hours_init(g->hour_share[0], feed_hours_weekday);
    hours_init(g->hour_share[1], feed_hours_weekend);
    i32 city = 0;
    for (i32 state = 0; state < feed_states_count; state++) {
        g->city_first[state] = city;
        while (city < feed_cities_count && feed_cities[city].state == state) {
            city++;
        }
        g->city_end[state] = city;
    }
    return g;
}

void feed_generator_free(struct feed_generator *g)
{
    mem_free(g);
}
