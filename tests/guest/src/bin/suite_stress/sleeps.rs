//! Sleeps: under a storm of interrupts, with limits that come at the same moment as what is waited for, always elsewhere.

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use guest_tests::{Scatter, dawdle};
use libkern::arch::MAX_CORES;
use libkern::kthread::sync::{Interrupted, Semaphore};
use libkern::testing::{Skipped, metric, skip};
use libkern::time::Instant;
use libkern::time::timer::Timer;
use libkern::{cpu, kmsg, kthread};

/// Timers that fire all the time, one on each core.
struct Storm;

static TIMERS: [Timer; MAX_CORES] = [const { Timer::new(again) }; MAX_CORES];
static SEEDS: [AtomicU64; MAX_CORES] = [const { AtomicU64::new(0) }; MAX_CORES];
static IS_ON: AtomicBool = AtomicBool::new(false);
static FIRED: AtomicU64 = AtomicU64::new(0);
static SENT_FROM_IT: AtomicU64 = AtomicU64::new(0);

/// Some time that differs from the last.
fn soon() -> u64 {
    /// From where an interrupt leaves no time for anything, to where a sleep and a wake-up fit in between.
    const LONGEST_NS: u64 = 40_000;
    let seed = &SEEDS[cpu::id()];
    let mut scatter = Scatter::new(seed.fetch_add(1, Ordering::Relaxed));
    Instant::now().as_nanos() + 2_000 + scatter.below(LONGEST_NS)
}

/// In interrupt context: does what interrupts do, and goes on.
// SAFETY: of a signature that wants it; nothing is asked of the caller.
/// # Safety
/// As for a timer's function.
unsafe fn again(timer: NonNull<Timer>) {
    let fired = FIRED.fetch_add(1, Ordering::Relaxed);
    if fired.is_multiple_of(8) {
        // Work for a core that may be in the middle of going to sleep, or of waking.
        SENT_FROM_IT.fetch_add(1, Ordering::Relaxed);
        kmsg::send_routine(fired as usize / 8 % cpu::count(), |_| ());
    }
    if IS_ON.load(Ordering::Relaxed) {
        // SAFETY: a static, not armed: it has just fired.
        unsafe { timer.as_ref().arm(soon()) };
    }
}

impl Storm {
    fn begin() -> Self {
        IS_ON.store(true, Ordering::Relaxed);
        // SAFETY: statics, not armed: the storm before has passed.
        kthread::call_all(|core| unsafe { TIMERS[core].arm(soon()) });
        Self
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        IS_ON.store(false, Ordering::Relaxed);
        kthread::call_all(|core| {
            let _ = TIMERS[core].cancel_sync();
        });
    }
}

#[libkern::test(long, ids = ["K1", "K6", "K13"])]
fn a_million_sleeps_are_slept_to_their_ends_under_a_storm_of_timer_interrupts() {
    const SLEEPS: usize = 1_000_000;
    /// A fast host sleeps a million times before so many have come: then it goes on.
    const INTERRUPTS: u64 = 10_000;
    let (start, fired_before) = (Instant::now(), FIRED.load(Ordering::Relaxed));
    let fired = || FIRED.load(Ordering::Relaxed) - fired_before;
    let mut slept = 0;
    let storm = Storm::begin();
    while slept < SLEEPS || fired() <= INTERRUPTS {
        slept += play(SLEEPS / 4);
    }
    drop(storm);
    metric("interrupts", fired(), "count");
    metric("sleeps", slept, "count");
    metric("sleeps-per-second", slept as u64 * 1_000_000_000 / start.elapsed().as_nanos() as u64, "count");
}

/// Pairs of kthreads play ball, and sleep `sleeps` times in all. Returns how often they did.
fn play(sleeps: usize) -> usize {
    const PAIRS: usize = 8;
    static BALLS: [[Semaphore; 2]; PAIRS] = [const { [const { Semaphore::new(0) }; 2] }; PAIRS];
    static PLAYED: AtomicUsize = AtomicUsize::new(0);
    let rounds = sleeps / PAIRS / 2;
    let players: Vec<_> = (0..2 * PAIRS)
        .map(|player| {
            let run = move || {
                let [mine, other] = [&BALLS[player / 2][player % 2], &BALLS[player / 2][1 - player % 2]];
                for round in 0..rounds {
                    // What interrupts and switches must leave alone: more than there are registers.
                    let words: [usize; 24] = core::array::from_fn(|n| core::hint::black_box(player ^ round) + n);
                    mine.down();
                    let moved = words.iter().enumerate().any(|(n, &word)| word != (player ^ round) + n);
                    assert!(!moved, "{words:?} of player {player} in round {round}");
                    PLAYED.fetch_add(1, Ordering::Relaxed);
                    other.up();
                }
            };
            let core = (player / 2 + player % 2) % cpu::count();
            kthread::Builder::new().core(core).spawn(run).expect("there is memory for a stack")
        })
        .collect();
    for [first, _] in &BALLS {
        first.up();
    }
    players.into_iter().for_each(kthread::JoinHandle::join);
    for [first, _] in &BALLS {
        assert!(first.try_down(), "the ball comes back");
    }
    let played = PLAYED.swap(0, Ordering::Relaxed);
    assert_eq!(played, sleeps);
    played
}

#[libkern::test(long, ids = ["K2", "K14"])]
fn a_quarter_of_a_million_sleeps_end_on_another_core_each() -> Result<(), Skipped> {
    const SLEEPS: usize = 250_000;
    const SLEEPERS: usize = 6;
    static RING: [Semaphore; SLEEPERS] = [const { Semaphore::new(0) }; SLEEPERS];
    static SENT_TO: [AtomicUsize; SLEEPERS] = [const { AtomicUsize::new(0) }; SLEEPERS];
    let cores = cpu::count();
    if cores == 1 {
        return skip("one core is always the same");
    }
    // A ring, in which each wakes the next one on some core that this one was not on.
    let sleepers: Vec<_> = (0..SLEEPERS)
        .map(|me| {
            SENT_TO[me].store(me % cores, Ordering::Relaxed);
            let run = move || {
                let next = (me + 1) % SLEEPERS;
                let mut scatter = Scatter::new(me as u64);
                let mut moved = 0;
                for _ in 0..SLEEPS / SLEEPERS {
                    let before = cpu::id();
                    RING[me].down();
                    let (after, sent_to) = (cpu::id(), SENT_TO[me].load(Ordering::Relaxed));
                    // It stays where it is if the unit was there before it slept.
                    assert!(after == sent_to || after == before, "from {before} to {sent_to}, and is on {after}");
                    moved += usize::from(after != before);
                    let was_on = SENT_TO[next].load(Ordering::Relaxed);
                    let core = (was_on + 1 + scatter.below(cores as u64 - 1) as usize) % cores;
                    SENT_TO[next].store(core, Ordering::Relaxed);
                    RING[next].up_on(core);
                }
                moved
            };
            kthread::Builder::new().core(me % cores).spawn(run).expect("there is memory for a stack")
        })
        .collect();
    RING[0].up();
    let moved: usize = sleepers.into_iter().map(kthread::JoinHandle::join).sum();
    metric("migrations", moved, "count");
    assert!(moved > SLEEPS * 9 / 10, "{moved} migrations in {SLEEPS} sleeps");
    Ok(())
}

#[libkern::test(long, ids = ["K12"])]
fn units_are_conserved_when_time_runs_out_as_they_come() {
    const ROUNDS: u64 = 60_000;
    const SLEEPERS: usize = 4;
    static UNITS: Semaphore = Semaphore::new(0);
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    static TIMED_OUT: AtomicU64 = AtomicU64::new(0);
    static ABORTED: AtomicU64 = AtomicU64::new(0);
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    static ASLEEP: AtomicUsize = AtomicUsize::new(0);
    let sleepers: Vec<_> = (0..SLEEPERS)
        .map(|me| {
            let run = move || {
                let mut scatter = Scatter::new(me as u64);
                for _ in 0..ROUNDS {
                    let until = Instant::now() + Duration::from_nanos(scatter.below(60_000));
                    ASLEEP.fetch_add(1, Ordering::Relaxed);
                    let units = 1 + scatter.below(3) as usize;
                    match UNITS.down_many_abortable_until(units, until) {
                        Ok(()) => TAKEN.fetch_add(units as u64, Ordering::Relaxed),
                        Err(Interrupted::TimedOut) => TIMED_OUT.fetch_add(1, Ordering::Relaxed),
                        Err(Interrupted::Aborted) => ABORTED.fetch_add(1, Ordering::Relaxed),
                    };
                    ASLEEP.fetch_sub(1, Ordering::Relaxed);
                }
            };
            kthread::Builder::new().core(me % cpu::count()).spawn(run).expect("there is memory for a stack")
        })
        .collect();
    // Gives and aborts at any moment, about as often as the others lose patience.
    let mut scatter = Scatter::new(99);
    while sleepers.iter().any(|sleeper| !sleeper.is_finished()) {
        if scatter.below(8) == 0 {
            sleepers[scatter.below(SLEEPERS as u64) as usize].abort();
        } else if ASLEEP.load(Ordering::Relaxed) > 0 {
            let units = 1 + scatter.below(4);
            GIVEN.fetch_add(units, Ordering::Relaxed);
            UNITS.up_many_on(units as usize, scatter.below(cpu::count() as u64) as usize);
        }
        match scatter.below(4) {
            0 => kthread::sleep(Duration::from_nanos(scatter.below(30_000))),
            1 => dawdle(scatter.below(2_000)),
            _ => kthread::yield_now(),
        }
    }
    sleepers.into_iter().for_each(kthread::JoinHandle::join);
    let [taken, timed_out, aborted, given] =
        [&TAKEN, &TIMED_OUT, &ABORTED, &GIVEN].map(|count| count.load(Ordering::Relaxed));
    metric("taken", taken, "units");
    metric("timed-out", timed_out, "sleeps");
    metric("aborted", aborted, "sleeps");
    assert_eq!(taken + UNITS.available() as u64, given, "units given are taken or there");
    assert!(timed_out > 100 && aborted > 100 && taken > 100, "{taken} {timed_out} {aborted}");
    // Nobody queues, so what is there can be had.
    assert!(UNITS.try_down_many(UNITS.available()));
}
