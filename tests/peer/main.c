/*
 * Init: has a child measure, and passes on what it says.
 *
 * The child has no right to use ports, and this is why it is a child: a thread with that right costs the kernel more on
 * each switch. What it reports comes through a pipe, and goes to QEMU's debug console when the child is at its end.
 */
#include "peer.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL_PORT = 0xe9, EXIT_PORT = 0xf4 };

/* Where the child writes. */
static int reports = -1;

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= (int)sizeof line || write(reports, line, length) != length) {
        _exit(3);
    }
}

void report(const char *name, double value, const char *unit)
{
    say("metric %s %.17g %s\n", name, value, unit);
}

void check(int result, const char *what)
{
    if (result != 0) {
        say("failed %s: error %d\n", what, result);
        _exit(2);
    }
}

void stay_on(int core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    check(sched_setaffinity(0, sizeof cores, &cores), "sched_setaffinity");
}

static void *run(void *of)
{
    worker *worker = of;
    stay_on(worker->core);
    worker->body(worker->argument);
    return NULL;
}

void start(worker *worker)
{
    check(pthread_create(&worker->thread, NULL, run, worker), "pthread_create");
}

void join(worker *worker)
{
    check(pthread_join(worker->thread, NULL), "pthread_join");
}

int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int in_order(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

int64_t median(int64_t *values, int count)
{
    qsort(values, count, sizeof *values, in_order);
    return values[count / 2];
}

static void measure(const char *what)
{
    /* Without it the kernel may be 50 microseconds late, to wake for several sleepers at once. */
    check(prctl(PR_SET_TIMERSLACK, 1), "prctl");
    stay_on(0);
    if (strcmp(what, "one-core") == 0) {
        one_core();
    } else if (strcmp(what, "two-cores") == 0) {
        two_cores();
    } else if (strcmp(what, "clock") == 0) {
        by_the_clock();
    } else {
        say("failed there is no measurement %s\n", what);
        _exit(2);
    }
}

/* A line for the control channel. */
static void control(const char *text)
{
    for (; *text; text++) {
        outb(*text, CONTROL_PORT);
    }
}

int main(int argc, char **argv)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        reports = ends[1];
        /* The kernel has threads that finish what it began at boot. */
        sleep(2);
        measure(argc > 1 ? argv[argc - 1] : "");
        _exit(0);
    }
    close(ends[1]);
    static char text[64 << 10];
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;) {
        length += got;
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (ioperm(CONTROL_PORT, 1, 1) != 0 || ioperm(EXIT_PORT, 4, 1) != 0) {
        return 1;
    }
    control(text);
    if (WIFSIGNALED(status)) {
        char line[64];
        snprintf(line, sizeof line, "failed the measuring process died of signal %d\n", WTERMSIG(status));
        control(line);
    }
    char line[16];
    snprintf(line, sizeof line, "exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    control(line);
    outl(WIFEXITED(status) ? WEXITSTATUS(status) : 1, EXIT_PORT);
    return 0;
}
