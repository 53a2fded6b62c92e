/* Operations on two cores: counted, and by the clock. */
#include "peer.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

/* What a core executes from the one to the other is not counted. */
static __attribute__((noipa)) void bench_pause_wait(void) { __asm__ volatile("nop"); }
static __attribute__((noipa)) void bench_resume_wait(void) { __asm__ volatile("nop"); }

/* Waits, uncounted, until the other core has surely halted. */
static void let_the_other_halt(void)
{
    bench_pause_wait();
    for (int64_t until = now() + 20000; now() < until;) {
        pause_core();
    }
    bench_resume_wait();
}

/* Two threads, each on its core, hand a token to and fro; each sleeps while the other has it. */
static sem_t ping, pong;

static void hand_off_partner(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        sem_wait(&ping);
        let_the_other_halt();
        sem_post(&pong);
    }
}

REGION(hand_off)
static void hand_off(long n)
{
    worker partner = {.body = hand_off_partner, .argument = n / 2, .core = 1};
    start(&partner);
    for (long i = 0; i < n / 2; i++) {
        let_the_other_halt();
        sem_post(&ping);
        sem_wait(&pong);
    }
    join(&partner);
}

static void rest(int64_t milliseconds)
{
    struct timespec length = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    check(clock_nanosleep(CLOCK_MONOTONIC, 0, &length, NULL), "clock_nanosleep");
}

/* Seconds in which nobody wants anything. */
REGION(idle_core)
static void idle_core(long n)
{
    rest(n * 1000);
}

void two_cores(void)
{
    check(sem_init(&ping, 0, 0), "sem_init");
    check(sem_init(&pong, 0, 0), "sem_init");
    MEASURE(hand_off, 200, hand_off);
    MEASURE(idle_core, 2, idle_core);
}

enum { ROUNDS = 501 };
static int64_t times[ROUNDS];
static _Alignas(64) atomic_long asked;
static _Alignas(64) atomic_long answered;

/* Answers each change of `asked` by the same one of `answered`. */
static void line_partner(long rounds)
{
    for (long i = 1; i <= rounds; i++) {
        while (atomic_load(&asked) != i) {
            pause_core();
        }
        atomic_store(&answered, i);
    }
}

/* A cache line to the other core and one back, with nothing else: what the machine itself takes. */
static void line(void)
{
    atomic_store(&asked, 0);
    atomic_store(&answered, 0);
    worker partner = {.body = line_partner, .argument = ROUNDS, .core = 1};
    start(&partner);
    rest(10);
    for (long i = 1; i <= ROUNDS; i++) {
        int64_t from = now();
        atomic_store(&asked, i);
        while (atomic_load(&answered) != i) {
            pause_core();
        }
        times[i - 1] = now() - from;
    }
    join(&partner);
    report("line", median(times, ROUNDS), "ns");
}

static void wake_partner(long rounds)
{
    for (long i = 1; i <= rounds; i++) {
        sem_wait(&ping);
        atomic_store(&answered, i);
    }
}

/* A thread on a halted core is woken, and answers by a store for which the first core looks. */
static void wake_halted(void)
{
    atomic_store(&answered, 0);
    worker partner = {.body = wake_partner, .argument = ROUNDS, .core = 1};
    start(&partner);
    for (long i = 1; i <= ROUNDS; i++) {
        /* Until the other core has surely halted. */
        rest(1);
        int64_t from = now();
        sem_post(&ping);
        while (atomic_load(&answered) != i) {
            pause_core();
        }
        times[i - 1] = now() - from;
    }
    join(&partner);
    report("wake_halted", median(times, ROUNDS), "ns");
}

/* As above, and who asks sleeps until the answer wakes it: a call. */
static void call(void)
{
    worker partner = {.body = hand_off_partner, .argument = ROUNDS, .core = 1};
    start(&partner);
    for (long i = 0; i < ROUNDS; i++) {
        rest(1);
        int64_t from = now();
        sem_post(&ping);
        sem_wait(&pong);
        times[i] = now() - from;
    }
    join(&partner);
    report("call", median(times, ROUNDS), "ns");
}

void by_the_clock(void)
{
    check(sem_init(&ping, 0, 0), "sem_init");
    check(sem_init(&pong, 0, 0), "sem_init");
    line();
    wake_halted();
    call();
}
