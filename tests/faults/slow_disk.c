/* Preloaded into a process, it makes the disk below SLOW_FOLDER slow: each write and each sync of a file there
   waits SLOW_MS milliseconds first. Linux, for tests. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void wait_if_slow(int file) {
    const char *folder = getenv("SLOW_FOLDER"), *wait = getenv("SLOW_MS");
    char link[64], path[PATH_MAX];
    if (folder == NULL || wait == NULL) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = '\0';
    if (strncmp(path, folder, strlen(folder)) != 0) return;
    long ms = strtol(wait, NULL, 10);
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0) {
    }
}

ssize_t write(int file, const void *bytes, size_t count) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    wait_if_slow(file);
    return real(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
    ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
    wait_if_slow(file);
    return real(file, pieces, count);
}

int fsync(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    wait_if_slow(file);
    return real(file);
}
