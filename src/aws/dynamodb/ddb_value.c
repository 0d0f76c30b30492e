/* aws/dynamodb/ddb_value.c: order, size and changes of values. */
#include "aws/dynamodb/ddb_value.h"

#include "aws/dynamodb/ddb_number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { REFUSAL_BYTES_MAX = 4096, CAPACITY_MIN = 8 };

static void refuse(struct ddb_work *work, const char *type, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void refuse(struct ddb_work *work, const char *type, const char *format, va_list args)
{
    if (work->type != NULL) {
        return;
    }
    char text[REFUSAL_BYTES_MAX];
    int length = vsnprintf(text, sizeof text, format, args);
    CHECK(length >= 0);
    work->type = type;
    work->message = arena_copy(work->arena, str_from(text, MIN(length, (int)sizeof text - 1)));
}

bool ddb_refuse(struct ddb_work *work, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse(work, type, format, args);
    va_end(args);
    return false;
}

bool ddb_invalid(struct ddb_work *work, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse(work, "ValidationException", format, args);
    va_end(args);
    return false;
}

/* --- types --------------------------------------------------------------------------------- */

static const char *const type_names[DDB_TYPES] = {"S",  "N",    "B",    "SS", "NS",
                                                  "BS", "BOOL", "NULL", "M",  "L"};

const char *ddb_type_name(enum ddb_type type)
{
    return type_names[type];
}

bool ddb_type_find(str name, enum ddb_type *out)
{
    for (int i = 0; i < DDB_TYPES; i++) {
        if (str_eq(name, str_of(type_names[i]))) {
            *out = (enum ddb_type)i;
            return true;
        }
    }
    return false;
}

/* --- comparing ----------------------------------------------------------------------------- */

static struct ddb_number number_of(const struct ddb_value *value)
{
    struct ddb_number number;
    CHECK(ddb_number_parse(value->text, &number) == DDB_NUMBER_OK); /* Canonical since parsing. */
    return number;
}

int ddb_value_cmp(const struct ddb_value *a, const struct ddb_value *b)
{
    CHECK(a->type == b->type);
    CHECK(ddb_is_ordered(a->type));
    if (a->type == DDB_N) {
        struct ddb_number x = number_of(a), y = number_of(b);
        return ddb_number_cmp(&x, &y);
    }
    return str_cmp(a->text, b->text);
}

int ddb_element_cmp(const void *a, const void *b)
{
    return ddb_value_cmp(a, b);
}

int ddb_name_cmp(const void *a, const void *b)
{
    const struct ddb_value *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

bool ddb_value_has(const struct ddb_value *list, const struct ddb_value *element)
{
    if (ddb_is_set(list->type)) {
        return element->type == ddb_set_item(list->type) && list->count > 0 &&
               bsearch(element, list->items, (size_t)list->count, sizeof *element,
                       ddb_element_cmp) != NULL;
    }
    for (isize i = 0; i < list->count; i++) {
        if (ddb_value_eq(&list->items[i], element)) {
            return true;
        }
    }
    return false;
}

static bool items_eq(const struct ddb_value *a, const struct ddb_value *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (isize i = 0; i < a->count; i++) {
        bool is_same_name = a->type != DDB_M || str_eq(a->items[i].name, b->items[i].name);
        if (!is_same_name || !ddb_value_eq(&a->items[i], &b->items[i])) {
            return false;
        }
    }
    return true;
}

bool ddb_value_eq(const struct ddb_value *a, const struct ddb_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case DDB_S:
    case DDB_N:
    case DDB_B:
        return str_eq(a->text, b->text);
    case DDB_BOOL:
        return a->is_true == b->is_true;
    case DDB_NULL:
        return true;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
    case DDB_M:
    case DDB_L:
        return items_eq(a, b);
    case DDB_TYPES:
        break;
    }
    return false;
}

/* --- size ---------------------------------------------------------------------------------- */

isize ddb_value_bytes(const struct ddb_value *value)
{
    isize bytes = 0;
    switch (value->type) {
    case DDB_S:
    case DDB_B:
        return value->text.len;
    case DDB_N: {
        struct ddb_number number = number_of(value);
        return ddb_number_bytes(&number);
    }
    case DDB_BOOL:
    case DDB_NULL:
        return 1;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
        for (isize i = 0; i < value->count; i++) {
            bytes += ddb_value_bytes(&value->items[i]);
        }
        return bytes;
    case DDB_M:
    case DDB_L:
        bytes = 3;
        for (isize i = 0; i < value->count; i++) {
            bytes += 1 + ddb_value_bytes(&value->items[i]);
            bytes += value->type == DDB_M ? value->items[i].name.len : 0;
        }
        return bytes;
    case DDB_TYPES:
        break;
    }
    return bytes;
}

isize ddb_item_bytes(const struct ddb_value *item)
{
    isize bytes = 0;
    for (isize i = 0; i < item->count; i++) {
        bytes += item->items[i].name.len + ddb_value_bytes(&item->items[i]);
    }
    return bytes;
}

/* --- members ------------------------------------------------------------------------------- */

/* Index of the first member whose name is not less. */
static isize member_at(const struct ddb_value *map, str name)
{
    isize low = 0, high = map->count;
    while (low < high) {
        isize middle = low + (high - low) / 2;
        if (str_cmp(map->items[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct ddb_value *ddb_get(const struct ddb_value *map, str name)
{
    if (map == NULL || map->type != DDB_M) {
        return NULL;
    }
    isize at = member_at(map, name);
    bool is_there = at < map->count && str_eq(map->items[at].name, name);
    return is_there ? &map->items[at] : NULL;
}

struct ddb_value ddb_copy(struct arena *arena, const struct ddb_value *value)
{
    struct ddb_value copy = *value;
    if (value->count == 0) {
        copy.items = NULL;
        copy.capacity = 0;
        return copy;
    }
    copy.capacity = value->count;
    copy.items = ARENA_ARRAY(arena, struct ddb_value, copy.capacity);
    for (isize i = 0; i < value->count; i++) {
        copy.items[i] = ddb_copy(arena, &value->items[i]);
    }
    return copy;
}

struct ddb_value *ddb_append(struct arena *arena, struct ddb_value *list)
{
    if (list->count >= list->capacity) {
        isize capacity = MAX(2 * list->count, CAPACITY_MIN);
        struct ddb_value *items = ARENA_ARRAY(arena, struct ddb_value, capacity);
        if (list->count > 0) {
            memcpy(items, list->items, (size_t)list->count * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    struct ddb_value *place = &list->items[list->count++];
    *place = (struct ddb_value){0};
    return place;
}

void ddb_put(struct arena *arena, struct ddb_value *map, str name, const struct ddb_value *value)
{
    struct ddb_value *place = ddb_get(map, name);
    if (place == NULL) {
        isize at = member_at(map, name);
        (void)ddb_append(arena, map);
        place = &map->items[at];
        memmove(place + 1, place, (size_t)(map->count - 1 - at) * sizeof *place);
    }
    *place = *value;
    place->name = name;
}
