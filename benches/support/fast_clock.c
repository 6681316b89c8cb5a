/* Makes the clock run FAST_CLOCK_SPEED times as fast for the program that preloads this library. Affects the time that the program
 * reads, how long it waits, and the timestamps of its files. FAST_CLOCK names a file of 64-bit numbers that may change while the
 * program runs: how often the wall clock has been set forward; the monotonic and wall-clock times of the start, in nanoseconds; then,
 * for each occasion on which it was set forward, the real monotonic time in nanoseconds and the total advance so far in seconds.
 *
 * cc -O2 -shared -fPIC -o fast_clock.so fast_clock.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

/* In nanoseconds, except `speed`; `offset` is the time by which the real wall clock is ahead of the real monotonic clock. */
static int64_t speed, start_real, start_wall, offset;
static const volatile int64_t *steps;
static long (*real_syscall)(long, ...);

static int64_t ns(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }
static struct timespec spec(int64_t t) { return (struct timespec){t / SECOND, t % SECOND}; }

static int64_t real(clockid_t clock) {
    struct timespec now;
    real_syscall(SYS_clock_gettime, clock, &now);
    return ns(&now);
}

__attribute__((constructor)) static void initialize(void) {
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *factor = getenv("FAST_CLOCK_SPEED"), *path = getenv("FAST_CLOCK");
    int64_t fast = factor ? atoll(factor) : 1;
    int file = path ? open(path, O_RDONLY) : -1;
    if (file >= 0) steps = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    /* A second program of the same test, or a restarted one, continues on the same clock. */
    start_real = steps ? steps[1] : real(CLOCK_MONOTONIC);
    start_wall = steps ? steps[2] : real(CLOCK_REALTIME);
    offset = real(CLOCK_REALTIME) - real(CLOCK_MONOTONIC);
    speed = fast;
}

static void ensure_initialized(void) { if (!speed) initialize(); }

/* Convert a real monotonic time to an accelerated one, and back. */
static int64_t fast(int64_t monotonic) { return start_real + (monotonic - start_real) * speed; }
static int64_t slow(int64_t monotonic) { return start_real + (monotonic - start_real) / speed; }

/* Returns the nanoseconds by which the wall clock had been set forward by the real monotonic time `at`. */
static int64_t forward(int64_t at) {
    int64_t total = 0;
    if (steps)
        for (int64_t step = 0; step < steps[0]; step++)
            if (steps[3 + 2 * step] <= at) total = steps[4 + 2 * step];
    return total * SECOND;
}

static int64_t wall(int64_t at) { return start_wall + (at - start_real) * speed + forward(at); }

int clock_gettime(clockid_t clock, struct timespec *out) {
    ensure_initialized();
    switch (clock) {
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: case CLOCK_BOOTTIME:
        *out = spec(fast(real(CLOCK_MONOTONIC)));
        return 0;
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE:
        *out = spec(wall(real(CLOCK_MONOTONIC)));
        return 0;
    default:
        return (int)real_syscall(SYS_clock_gettime, clock, out);
    }
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *requested, struct timespec *remaining) {
    ensure_initialized();
    int64_t end = flags & TIMER_ABSTIME ? slow(ns(requested)) : real(CLOCK_MONOTONIC) + ns(requested) / speed;
    struct timespec deadline = spec(end);
    (void)clock, (void)remaining;
    return real_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) ? errno : 0;
}

int nanosleep(const struct timespec *requested, struct timespec *remaining) {
    int failed = clock_nanosleep(CLOCK_MONOTONIC, 0, requested, remaining);
    if (!failed) return 0;
    errno = failed;
    return -1;
}

int epoll_wait(int epoll, struct epoll_event *events, int max_events, int milliseconds) {
    ensure_initialized();
    struct timespec wait = spec(milliseconds * (SECOND / 1000) / speed);
    return (int)real_syscall(SYS_epoll_pwait2, epoll, events, max_events, milliseconds < 0 ? NULL : &wait, NULL, 0);
}

long syscall(long number, ...) {
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    ensure_initialized();
    const struct timespec *requested = (const struct timespec *)a[3];
    int operation = (int)a[1] & FUTEX_CMD_MASK;
    if (number == SYS_futex && requested && (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET)) {
        /* WAIT takes a duration, WAIT_BITSET a time on the monotonic clock. */
        struct timespec timeout = spec(operation == FUTEX_WAIT ? ns(requested) / speed : slow(ns(requested)));
        return real_syscall(number, a[0], a[1], a[2], &timeout, a[4], a[5]);
    }
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Converts timestamps from after the start to the accelerated wall clock. */
int statx(int folder, const char *path, int flags, unsigned mask, struct statx *out) {
    ensure_initialized();
    if (real_syscall(SYS_statx, folder, path, flags, mask, out)) return -1;
    struct statx_timestamp *times[] = {&out->stx_mtime, &out->stx_ctime, &out->stx_atime, &out->stx_btime};
    for (int i = 0; i < 4; i++) {
        int64_t at = times[i]->tv_sec * SECOND + times[i]->tv_nsec - offset;
        if (at < start_real) continue;
        struct timespec converted = spec(wall(at));
        times[i]->tv_sec = converted.tv_sec, times[i]->tv_nsec = (uint32_t)converted.tv_nsec;
    }
    return 0;
}
