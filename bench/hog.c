/* Takes memory, disk space or inodes at a steady rate, once it is told to; then it waits to be killed.
 *
 *   hog GO (memory|bytes|inodes) RATE MOST [DIRECTORY]
 *
 * GO is a FIFO: the byte read from it starts the taking. RATE is per second, MOST is where it ends: bytes or inodes. Memory is
 * touched page by page. It sleeps when it is ahead of its rate and hurries when it is a little behind; what it loses on a busy
 * machine is lost.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FORGIVEN_SECONDS 0.005

enum { PAGE = 4096, CHUNK = 256 * 1024, FILES = 16 };

static char block[CHUNK];

static void take_memory(char *memory, size_t bytes) {
    for (size_t offset = 0; offset < bytes; offset += PAGE)
        memory[offset] = 1;
}

static void take_bytes(int fd) {
    for (size_t written = 0; written < CHUNK;) {
        ssize_t n = write(fd, block, CHUNK - written);
        if (n < 0)
            return; /* full: nothing more to take */
        written += (size_t)n;
    }
}

static void take_inodes(int directory, unsigned long long first) {
    char name[32];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%llu", first + (unsigned long long)i);
        int fd = openat(directory, name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            return;
        close(fd);
    }
}

static double monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 5)
        errx(2, "usage: hog GO (memory|bytes|inodes) RATE MOST [DIRECTORY]");
    const char *kind = argv[2];
    double rate = strtod(argv[3], NULL);
    unsigned long long most = strtoull(argv[4], NULL, 10), step = strcmp(kind, "inodes") ? CHUNK : FILES;
    char *memory = NULL;
    int fd = -1;
    if (!strcmp(kind, "memory")) {
        memory = mmap(NULL, most + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            err(1, "mmap");
        madvise(memory, most + CHUNK, MADV_NOHUGEPAGE); /* small pages, as most programs have: 0.1 s per GiB to free */
    } else {
        fd = open(argv[5], O_DIRECTORY | O_RDONLY);
        if (fd >= 0 && !strcmp(kind, "bytes"))
            fd = openat(fd, "hog", O_CREAT | O_WRONLY | O_TRUNC, 0600);
        if (fd < 0)
            err(1, "%s", argv[5]);
        memset(block, 1, sizeof block);
    }

    char byte;
    int go = open(argv[1], O_RDONLY);
    if (go < 0 || read(go, &byte, 1) != 1)
        err(1, "%s", argv[1]);
    double started = monotonic();
    for (unsigned long long taken = 0; taken < most; taken += step) {
        double due = started + (double)taken / rate, late = monotonic() - due;
        if (late > FORGIVEN_SECONDS)
            started += late;
        struct timespec at = {.tv_sec = (time_t)due, .tv_nsec = (long)((due - (double)(time_t)due) * 1e9)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        if (memory)
            take_memory(memory + taken, CHUNK);
        else if (step == CHUNK)
            take_bytes(fd);
        else
            take_inodes(fd, taken);
    }
    for (;;)
        pause();
}
