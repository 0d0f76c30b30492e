/* os/port.c: which process holds a port, as /proc tells it. */
#include "os/os.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_BYTES = 512, PATH_BYTES = 320, COMMAND_BYTES = 96 };

/* Inode of the socket that listens on the port, 0 when none does. */
static u64 listening_inode(const char *table, u16 port)
{
    FILE *file = fopen(table, "re");
    if (file == NULL) {
        return 0;
    }
    char line[LINE_BYTES];
    u64 found = 0;
    while (found == 0 && fgets(line, LINE_BYTES, file) != NULL) {
        unsigned local_port = 0, state = 0;
        unsigned long long inode = 0;
        int fields =
            sscanf(line, " %*d: %*64[0-9A-Fa-f]:%x %*64[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %llu",
                   &local_port, &state, &inode);
        if (fields == 3 && local_port == port && state == 0x0A) {
            found = inode;
        }
    }
    IGNORE(fclose(file)); /* Only read. */
    return found;
}

static bool has_socket(const char *pid, u64 inode)
{
    char path[PATH_BYTES], target[64], wanted[64];
    (void)snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)inode);
    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    bool found = false;
    struct dirent *entry;
    while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, entry->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        if (len > 0) {
            target[len] = '\0';
            found = strcmp(target, wanted) == 0;
        }
    }
    if (dir != NULL) {
        IGNORE(closedir(dir)); /* Only read. */
    }
    return found;
}

/* Its words, cut; blanks for control characters. */
static void command_of(const char *pid, char *out)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    FILE *file = fopen(path, "re");
    size_t length = file == NULL ? 0 : fread(out, 1, COMMAND_BYTES - 1, file);
    if (file != NULL) {
        IGNORE(fclose(file)); /* Only read. */
    }
    while (length > 0 && out[length - 1] == '\0') {
        length--;
    }
    for (size_t i = 0; i < length; i++) {
        out[i] = out[i] > 0 && out[i] < ' ' ? ' ' : out[i];
        out[i] = out[i] == '\0' ? ' ' : out[i];
    }
    out[length] = '\0';
}

static void name_of(const char *pid, char *out, isize capacity)
{
    char path[PATH_BYTES], name[64] = "?";
    (void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(name, sizeof name, file) != NULL) {
            name[strcspn(name, "\n")] = '\0';
        }
        IGNORE(fclose(file)); /* Only read. */
    }
    char words[COMMAND_BYTES];
    command_of(pid, words);
    bool says_more = words[0] != '\0' && strcmp(words, name) != 0;
    (void)snprintf(out, (size_t)capacity, "%s (pid %s%s%s)", name, pid, says_more ? ": " : "",
                   says_more ? words : "");
}

bool os_port_is_taken(u16 port)
{
    return listening_inode("/proc/net/tcp", port) != 0 ||
           listening_inode("/proc/net/tcp6", port) != 0;
}

bool os_port_holder(u16 port, char *out, isize capacity)
{
    u64 inode = listening_inode("/proc/net/tcp", port);
    inode = inode != 0 ? inode : listening_inode("/proc/net/tcp6", port);
    DIR *proc = inode == 0 ? NULL : opendir("/proc");
    bool found = false;
    struct dirent *entry;
    while (proc != NULL && !found && (entry = readdir(proc)) != NULL) {
        bool is_pid = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
        if (is_pid && has_socket(entry->d_name, inode)) {
            name_of(entry->d_name, out, capacity);
            found = true;
        }
    }
    if (proc != NULL) {
        IGNORE(closedir(proc)); /* Only read. */
    }
    return found;
}
