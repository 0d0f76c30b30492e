/* os/memory.c: how much memory there is, and how this process keeps it. */
#include "os/os.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* A file that holds one number; UINT64_MAX when it is not there or says "max". */
static u64 number_of(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[64] = "";
    u64 number = UINT64_MAX;
    if (file != NULL) {
        bool is_read = fgets(line, sizeof line, file) != NULL;
        IGNORE(fclose(file)); /* Only read. */
        if (!is_read || str_to_u64(str_trim(str_of(line)), &number) != OK) {
            number = UINT64_MAX;
        }
    }
    return number;
}

u64 os_memory_bytes(void)
{
    u64 machine = (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE);
    u64 group = MIN(number_of("/sys/fs/cgroup/memory.max"),
                    number_of("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    struct rlimit space;
    bool is_known = getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY;
    return MIN(MIN(machine, group), is_known ? (u64)space.rlim_cur : UINT64_MAX);
}

u64 os_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    char line[128];
    u64 pages = 0;
    if (fgets(line, sizeof line, file) != NULL) {
        str rest = str_of(line);
        (void)str_split(&rest, ' ', NULL);
        IGNORE(str_to_u64(str_split(&rest, ' ', NULL), &pages) != OK); /* Stays 0. */
    }
    IGNORE(fclose(file)); /* Only read. */
    return pages * (u64)sysconf(_SC_PAGESIZE);
}

void os_freed_memory_keep(isize bytes, isize block_bytes)
{
    IGNORE(mallopt(M_TRIM_THRESHOLD, (int)bytes) == 0);
    IGNORE(mallopt(M_MMAP_THRESHOLD, (int)block_bytes) == 0);
}

#ifdef LEAT_DEBUG
/* Sanitizers watch over what comes from malloc. */
void *os_huge_alloc(isize bytes)
{
    void *memory = mem_must(aligned_alloc((size_t)OS_HUGE_BYTES, (size_t)bytes), bytes);
    return memset(memory, 0, (size_t)bytes);
}

void os_huge_free(void *memory, isize bytes)
{
    (void)bytes;
    free(memory);
}
#else
void *os_huge_alloc(isize bytes)
{
    size_t with_slack = (size_t)(bytes + OS_HUGE_BYTES);
    u8 *start = mmap(NULL, with_slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start = mem_must(start == MAP_FAILED ? NULL : start, bytes);
    isize before = OS_HUGE_BYTES - (isize)((uintptr_t)start % (uintptr_t)OS_HUGE_BYTES);
    u8 *memory = start + before;
    IGNORE(munmap(start, (size_t)before) != 0); /* Address space only. */
    if (before < OS_HUGE_BYTES) {
        IGNORE(munmap(memory + bytes, (size_t)(OS_HUGE_BYTES - before)) != 0);
    }
    IGNORE(madvise(memory, (size_t)bytes, MADV_HUGEPAGE) != 0); /* Small pages do as well. */
    return memory;
}

void os_huge_free(void *memory, isize bytes)
{
    CHECK(munmap(memory, (size_t)bytes) == 0);
}
#endif
