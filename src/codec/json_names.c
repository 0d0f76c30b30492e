/* codec/json_names.c: names of an object's members, each once, found by hash: an object of a
 * hundred thousand members takes no longer for each than one of ten. */
#include "base/hash.h"
#include "codec/json_rows_int.h"

enum { SLOTS_FIRST = 16 };

static u32 *slot_of(const struct json_names *names, str name)
{
    isize mask = names->slot_count - 1;
    isize at = (isize)(hash64(name.data, name.len, 0) & (u64)mask);
    while (names->slots[at] != 0 && !str_eq(names->names[names->slots[at] - 1], name)) {
        at = (at + 1) & mask;
    }
    return &names->slots[at];
}

/* At most half of the slots are taken. */
static void slots_grow(struct json_names *names, struct arena *arena)
{
    names->slot_count = MAX(names->slot_count * 2, SLOTS_FIRST);
    names->slots = ARENA_ARRAY(arena, u32, names->slot_count);
    for (isize i = 0; i < names->count; i++) {
        *slot_of(names, names->names[i]) = (u32)i + 1;
    }
}

isize json__names_add(struct json_names *names, str name, struct arena *arena)
{
    if (names->count * 2 >= names->slot_count) {
        slots_grow(names, arena);
    }
    u32 *slot = slot_of(names, name);
    if (*slot == 0) {
        names->names = arena_grow(arena, names->names, names->count, (isize)sizeof(str));
        names->names[names->count++] = name;
        *slot = (u32)names->count;
    }
    return (isize)*slot - 1;
}
