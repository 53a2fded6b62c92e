//! What only a clock can tell: how long it takes from core to core and back. `by_the_clock` in `tests/peer/two_cores.c` does
//! the same on Linux.

#![no_std]
#![no_main]

use core::hint;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use libkern::arch::qemu;
use libkern::kmsg;
use libkern::kthread::sync::Semaphore;
use libkern::kthread::{self, Builder, JoinHandle};
use libkern::time::Instant;

const ROUNDS: usize = 501;

#[libkern::main]
fn main() {
    report("line", line());
    kthread::set_idle_poll(Duration::from_secs(1));
    report("message_polling", message_polling());
    kthread::set_idle_poll(Duration::ZERO);
    report("message_halted", message_halted());
    report("wake_halted", wake_halted());
    report("call", call());
}

/// Says the median of the rounds, in nanoseconds.
fn report(name: &str, mut times: [Duration; ROUNDS]) {
    times.sort_unstable();
    qemu::control(format_args!("metric {name} {} ns", times[ROUNDS / 2].as_nanos()));
}

/// A word in a cache line of its own.
#[repr(align(64))]
struct Line(AtomicUsize);

static ASKED: Line = Line(AtomicUsize::new(0));
static ANSWERED: Line = Line(AtomicUsize::new(0));

fn wait_for(line: &Line, value: usize) {
    // Acquire and release as the messages that this is compared with have them.
    while line.0.load(Ordering::Acquire) != value {
        hint::spin_loop();
    }
}

fn on_core_1(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().core(1).spawn(f).expect("there is memory for a kthread")
}

/// A cache line to the other core and one back, with nothing else: what the machine itself takes.
fn line() -> [Duration; ROUNDS] {
    let partner = on_core_1(|| {
        for round in 1..=ROUNDS {
            wait_for(&ASKED, round);
            ANSWERED.0.store(round, Ordering::Release);
        }
    });
    kthread::sleep(Duration::from_millis(10));
    let times = core::array::from_fn(|index| {
        let from = Instant::now();
        ASKED.0.store(index + 1, Ordering::Release);
        wait_for(&ANSWERED, index + 1);
        from.elapsed()
    });
    partner.join();
    times
}

/// When the round under way began, in nanoseconds; which round it is; how long each took.
static BEGAN: AtomicU64 = AtomicU64::new(0);
static ROUND: AtomicUsize = AtomicUsize::new(0);
static TIMES: [AtomicU64; ROUNDS] = [const { AtomicU64::new(0) }; ROUNDS];
static DONE: Semaphore = Semaphore::new(0);

/// A routine message to the other core, whose handler sends one back. Both cores poll. Only this core uses the variables.
fn message_polling() -> [Duration; ROUNDS] {
    ask();
    DONE.down();
    core::array::from_fn(|round| Duration::from_nanos(TIMES[round].load(Ordering::Relaxed)))
}

fn ask() {
    BEGAN.store(Instant::now().as_nanos(), Ordering::Relaxed);
    kmsg::send_routine(1, |_| kmsg::send_routine(0, |_| answered()));
}

fn answered() {
    let round = ROUND.load(Ordering::Relaxed);
    let took = Instant::now().as_nanos() - BEGAN.load(Ordering::Relaxed);
    TIMES[round].store(took, Ordering::Relaxed);
    ROUND.store(round + 1, Ordering::Relaxed);
    if round + 1 < ROUNDS {
        ask();
    } else {
        DONE.up();
    }
}

/// Times `ask`, to which core 1 answers by storing the number of the round. It has halted each time.
fn until_answered(mut ask: impl FnMut(usize)) -> [Duration; ROUNDS] {
    ANSWERED.0.store(0, Ordering::Relaxed);
    core::array::from_fn(|index| {
        kthread::sleep(Duration::from_millis(1));
        let from = Instant::now();
        ask(index + 1);
        wait_for(&ANSWERED, index + 1);
        from.elapsed()
    })
}

fn answer(round: usize) {
    ANSWERED.0.store(round, Ordering::Release);
}

/// A routine message to a halted core.
fn message_halted() -> [Duration; ROUNDS] {
    until_answered(|round| kmsg::send_routine(1, move |_| answer(round)))
}

static PING: Semaphore = Semaphore::new(0);

/// A kthread on a halted core is woken.
fn wake_halted() -> [Duration; ROUNDS] {
    let partner = on_core_1(|| {
        for round in 1..=ROUNDS {
            PING.down();
            answer(round);
        }
    });
    let times = until_answered(|_| {
        PING.up();
    });
    partner.join();
    times
}

/// A call on a halted core: who asks sleeps, and its core halts, until the answer.
fn call() -> [Duration; ROUNDS] {
    core::array::from_fn(|_| {
        kthread::sleep(Duration::from_millis(1));
        let from = Instant::now();
        kthread::call(1, || ());
        from.elapsed()
    })
}
