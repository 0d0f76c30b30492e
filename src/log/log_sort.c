/*
 * log/log_sort.c: runs of waiting batches in order of their channels. Stable: batches keep
 * their order within a channel. Few are inserted; many go byte by byte, from the last
 * byte to the first, through those alone in which keys differ: of the shards of one stream
 * that is two passes, however many there are.
 */
#include "log/log_int.h"

enum { INSERTED_MAX = 48, BYTE_VALUES = 256 };

static void insertion_sort(struct log__sort_item *items, isize count)
{
    for (isize i = 1; i < count; i++) {
        struct log__sort_item item = items[i];
        isize j = i;
        for (; j > 0 && items[j - 1].key > item.key; j--) {
            items[j] = items[j - 1];
        }
        items[j] = item;
    }
}

static void place_by_byte(const struct log__sort_item *from, struct log__sort_item *to, isize count,
                          int shift)
{
    u32 starts[BYTE_VALUES] = {0};
    for (isize i = 0; i < count; i++) {
        starts[from[i].key >> shift & (BYTE_VALUES - 1)]++;
    }
    u32 start = 0;
    for (isize value = 0; value < BYTE_VALUES; value++) {
        u32 end = start + starts[value];
        starts[value] = start;
        start = end;
    }
    for (isize i = 0; i < count; i++) {
        to[starts[from[i].key >> shift & (BYTE_VALUES - 1)]++] = from[i];
    }
}

struct log__sort_item *log__sort(struct log__sort_item *items, struct log__sort_item *spare,
                                 isize count)
{
    if (count <= INSERTED_MAX) {
        insertion_sort(items, count);
        return items;
    }
    u64 differing = 0;
    for (isize i = 1; i < count; i++) {
        differing |= items[i].key ^ items[0].key;
    }
    for (int shift = 0; shift < 64; shift += 8) {
        if ((differing >> shift & (BYTE_VALUES - 1)) != 0) {
            place_by_byte(items, spare, count, shift);
            struct log__sort_item *swap = items;
            items = spare;
            spare = swap;
        }
    }
    return items;
}
