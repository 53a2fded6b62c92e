/* Operations on one core. */
#include "peer.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Nothing, in two instructions: what this takes more is what else the machine does meanwhile. */
REGION(idle)
static void idle(long n)
{
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
}

/* Two threads hand a token to and fro. */
static sem_t ping, pong;

static void ping_pong_partner(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        sem_wait(&ping);
        sem_post(&pong);
    }
}

REGION(semaphore_ping_pong)
static void semaphore_ping_pong(long n)
{
    worker partner = {.body = ping_pong_partner, .argument = n / 2, .core = 0};
    start(&partner);
    for (long i = 0; i < n / 2; i++) {
        sem_post(&ping);
        sem_wait(&pong);
    }
    join(&partner);
}

/* Two threads that only yield, each to the other. The scheduler does that once both have run equally long. */
static volatile long partner_turns;
static volatile int partner_ends;

static void yield_partner(long unused)
{
    (void)unused;
    while (!partner_ends) {
        partner_turns++;
        sched_yield();
    }
}

REGION(yield)
static void yield(long n)
{
    long before = partner_turns;
    for (long i = 0; i < n / 2; i++) {
        sched_yield();
    }
    long turns = partner_turns - before;
    check(turns < n / 2 - n / 20 || turns > n / 2 + n / 20, "yields that do not alternate");
}

static void *nothing(void *argument) { return argument; }

REGION(thread)
static void thread(long n)
{
    for (long i = 0; i < n; i++) {
        pthread_t made;
        check(pthread_create(&made, NULL, nothing, NULL), "pthread_create");
        check(pthread_join(made, NULL), "pthread_join");
    }
}

static sem_t alone;

REGION(semaphore)
static void semaphore(long n)
{
    for (long i = 0; i < n; i++) {
        sem_post(&alone);
        sem_wait(&alone);
    }
}

static pthread_mutex_t mutex_alone = PTHREAD_MUTEX_INITIALIZER;

REGION(mutex)
static void mutex(long n)
{
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&mutex_alone);
        pthread_mutex_unlock(&mutex_alone);
    }
}

REGION(clock)
static void clock_reads(long n)
{
    for (long i = 0; i < n; i++) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        __asm__ volatile("" : : "r"(&time) : "memory");
    }
}

REGION(allocate)
static void allocate(long n)
{
    for (long i = 0; i < n; i++) {
        void *object = malloc(64);
        __asm__ volatile("" : "+r"(object) : : "memory");
        free(object);
    }
}

static timer_t timer_made;

REGION(timer)
static void timer(long n)
{
    const struct itimerspec far = {.it_value = {.tv_sec = 3600}}, never = {0};
    for (long i = 0; i < n; i++) {
        timer_settime(timer_made, 0, &far, NULL);
        timer_settime(timer_made, 0, &never, NULL);
    }
}

/* Eight bytes through a pipe from thread to thread, which waits only when it is full or empty. */
static int pipe_ends[2];

static void pipe_partner(long count)
{
    for (long i = 0, word; i < count; i++) {
        check(read(pipe_ends[0], &word, sizeof word) != sizeof word, "read");
    }
}

REGION(pipe)
static void pipe_words(long n)
{
    worker partner = {.body = pipe_partner, .argument = n, .core = 0};
    start(&partner);
    for (long i = 0; i < n; i++) {
        check(write(pipe_ends[1], &i, sizeof i) != sizeof i, "write");
    }
    join(&partner);
}

/* The same through a bounded queue as one writes it with a mutex and two condition variables. */
enum { CAPACITY = 64 };
static long queued[CAPACITY];
static unsigned first, count;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;

static void queue_partner(long n)
{
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&queue_lock);
        while (count == 0) {
            pthread_cond_wait(&not_empty, &queue_lock);
        }
        check(queued[first] != i, "the queue's order");
        first = (first + 1) % CAPACITY;
        count--;
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&queue_lock);
    }
}

REGION(queue)
static void queue_words(long n)
{
    worker partner = {.body = queue_partner, .argument = n, .core = 0};
    start(&partner);
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&queue_lock);
        while (count == CAPACITY) {
            pthread_cond_wait(&not_full, &queue_lock);
        }
        queued[(first + count) % CAPACITY] = i;
        count++;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&queue_lock);
    }
    join(&partner);
}

/* How late a sleeper runs again, in nanoseconds, each of which is an instruction where the clock counts those. */
static void sleep_late(void)
{
    enum { SLEEPS = 101 };
    const int64_t length = 1000000;
    int64_t late[SLEEPS];
    for (int i = 0; i < SLEEPS; i++) {
        int64_t deadline = now() + length;
        struct timespec at = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
        check(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), "clock_nanosleep");
        late[i] = now() - deadline;
    }
    report("sleep_late", median(late, SLEEPS), "ns");
}

void one_core(void)
{
    struct sigevent no_event = {.sigev_notify = SIGEV_NONE};
    check(sem_init(&ping, 0, 0), "sem_init");
    check(sem_init(&pong, 0, 0), "sem_init");
    check(sem_init(&alone, 0, 0), "sem_init");
    check(timer_create(CLOCK_MONOTONIC, &no_event, &timer_made), "timer_create");
    check(pipe(pipe_ends), "pipe");

    MEASURE(idle, 1000000, idle);
    MEASURE(semaphore_ping_pong, 2000, semaphore_ping_pong);
    worker partner = {.body = yield_partner, .core = 0};
    start(&partner);
    for (int i = 0; i < 20000; i++) {
        sched_yield();
    }
    MEASURE(yield, 2000, yield);
    partner_ends = 1;
    join(&partner);
    MEASURE(thread, 100, thread);
    MEASURE(semaphore, 2000, semaphore);
    MEASURE(mutex, 2000, mutex);
    MEASURE(clock, 2000, clock_reads);
    MEASURE(timer, 2000, timer);
    MEASURE(allocate, 2000, allocate);
    MEASURE(pipe, 2000, pipe_words);
    MEASURE(queue, 2000, queue_words);
    sleep_late();
}
