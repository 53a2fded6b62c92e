/*
 * What Linux takes for what the programs tests/guest/src/bin/bench_*.rs do.
 *
 * The program is the init of a machine that has nothing else: no files, no other process but a child that measures. It
 * is counted and timed from outside as our images are: a region is what runs from the instruction at bench_begin_NAME to
 * the one at bench_end_NAME, kernel and interrupts included, and is visited with N operations and then with 2N, so that
 * what is not the operation cancels out. `metric NAME N operations` says what N was.
 */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>
#include <stdint.h>

/* Two functions that do nothing but have an address. */
#define REGION(name)                                                                                                   \
    static __attribute__((noipa)) void bench_begin_##name(void) { __asm__ volatile("nop"); }                           \
    static __attribute__((noipa)) void bench_end_##name(void) { __asm__ volatile("nop"); }

/*
 * Visits the region `name` with `n` operations of `operation`, then with twice as many, and that several times over: the
 * tick and what the kernel does now and then fall into some of the visits. What comes before is not counted.
 */
#define MEASURE(name, n, operation)                                                                                    \
    do {                                                                                                               \
        operation(n);                                                                                                  \
        for (int visit = 0; visit < 10; visit++) {                                                                     \
            bench_begin_##name();                                                                                      \
            operation(visit % 2 ? 2 * (n) : (n));                                                                      \
            bench_end_##name();                                                                                        \
        }                                                                                                              \
        report(#name, (n), "operations");                                                                              \
    } while (0)

/* Says a figure on the control channel. */
void report(const char *name, double value, const char *unit);

/* Ends the measurement with a sentence if `result` is an error number or negative. */
void check(int result, const char *what);

/* A thread that runs `body(argument)` on the core. It must stay where it is between `start` and `join`. */
typedef struct worker {
    void (*body)(long argument);
    long argument;
    int core;
    pthread_t thread;
} worker;
void start(worker *worker);
void join(worker *worker);

/* Keeps the calling thread on the core. */
void stay_on(int core);

/* Nanoseconds of the monotonic clock. */
int64_t now(void);

/* The middle one of `count` values, which are sorted for that. */
int64_t median(int64_t *values, int count);

/* Waits without sleeping. */
static inline void pause_core(void) { __builtin_ia32_pause(); }

/* The measurements, by the word that the program is started with. */
void one_core(void);
void two_cores(void);
void by_the_clock(void);

#endif
