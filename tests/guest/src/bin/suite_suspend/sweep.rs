//! One round for each instruction.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use guest_tests::{RawTimer, with_interrupts_off};
use libkern::arch::{clock, timer};
use libkern::kmsg;
use libkern::kthread::sync::Semaphore;
use libkern::testing::{Skipped, metric};

/// What an interrupt came upon.
#[derive(Clone, Copy, Debug)]
struct Landing {
    /// When, in instructions from before the arming.
    after: u64,
    rip: u64,
}

static FIRED: AtomicBool = AtomicBool::new(false);
static FIRED_AT: AtomicU64 = AtomicU64::new(0);
static RIP: AtomicU64 = AtomicU64::new(0);
/// What the interrupt does.
static ACT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// A way on which an interrupt came at each instruction.
#[derive(Debug)]
pub struct Swept {
    /// How many instructions it has until the halt.
    pub instructions: usize,
    /// To how many different addresses interrupts came: fewer, as those are not among them at which they were off.
    pub addresses: usize,
}

/// So many rounds in which the core was halted end a sweep.
const ENOUGH_HALTS: usize = 20;
/// Instructions that no way to sleep is long.
const TOO_LONG: u64 = 20_000;

/// Whether nanoseconds are instructions: a second has a thousand million of them.
fn instructions_are_counted() -> bool {
    (990_000_000..1_010_000_000).contains(&clock::frequency())
}

/// Whether the instruction before is `hlt`.
fn is_after_halt(rip: u64) -> bool {
    const HLT: u8 = 0xf4;
    // SAFETY: the image's own code.
    unsafe { core::ptr::with_exposed_provenance::<u8>(rip as usize - 1).read() == HLT }
}

/// Lets an interrupt, which calls `act`, come at each instruction that `sleep` executes, until it comes to a core that is
/// halted. `sleep` must end by what `act` does, and is called once for each round; it is given the round's number.
///
/// Reports how many instructions that were and of how many it was held back, and says how long the way was.
///
/// # Errors
/// If instructions are not counted.
pub fn sweep(name: &str, act: fn(), sleep: impl Fn(u64)) -> Result<Swept, Skipped> {
    if !instructions_are_counted() {
        return Err(Skipped("instructions are not counted here"));
    }
    ACT.store(act as *mut (), Ordering::Relaxed);
    let _timer = RawTimer::take(|frame| {
        FIRED_AT.store(clock::tsc(), Ordering::Relaxed);
        RIP.store(frame.rip, Ordering::Relaxed);
        assert!(!FIRED.swap(true, Ordering::Relaxed), "armed once, and came twice");
        // SAFETY: stored above, from a function of this type.
        let act = unsafe { core::mem::transmute::<*mut (), fn()>(ACT.load(Ordering::Relaxed)) };
        act();
    });
    let mut landings: Vec<Landing> = Vec::with_capacity(TOO_LONG as usize);
    let mut halts = 0;
    while halts < ENOUGH_HALTS {
        let round = landings.len() as u64;
        assert!(round < TOO_LONG, "{round} instructions, and no halt");
        FIRED.store(false, Ordering::Relaxed);
        let mut armed_at = 0;
        with_interrupts_off(|| {
            armed_at = clock::tsc();
            timer::arm(round);
        });
        sleep(round);
        settle();
        assert!(FIRED.load(Ordering::Relaxed), "it slept until the interrupt");
        let rip = RIP.load(Ordering::Relaxed);
        halts += usize::from(is_after_halt(rip));
        landings.push(Landing { after: FIRED_AT.load(Ordering::Relaxed) - armed_at, rip });
    }
    Ok(judge(name, &landings))
}

/// Runs what is left over, and leaves the core as every round is to find it: with a spare.
fn settle() {
    static SETTLED: Semaphore = Semaphore::new(0);
    kmsg::send_routine(0, |_| {
        SETTLED.up();
    });
    SETTLED.down();
}

/// Looks whether the sweep is without gaps. An interrupt that is due at some instruction either comes at it or, if interrupts
/// are off there, at the first one at which they are on; and so do all that are due between the two.
fn judge(name: &str, landings: &[Landing]) -> Swept {
    let due = |round: usize| round as i64;
    let came = |round: usize| landings[round].after as i64;
    // What arming and the trap itself take.
    let cost = (0..landings.len()).map(|round| came(round) - due(round)).min().unwrap_or(0);
    let late = |round: usize| came(round) - due(round) - cost;
    let (mut held, mut stretches, mut longest) = (0, 0, 0);
    for round in 1..landings.len() {
        let (before, now) = (late(round - 1), late(round));
        if before > 0 {
            assert_eq!(now, before - 1, "round {round}: {:x?} {:x?}", landings[round - 1], landings[round]);
        } else if now > 0 {
            stretches += 1;
        }
        held += usize::from(now > 0);
        longest = longest.max(now);
    }
    let mut addresses: Vec<u64> = landings.iter().map(|landing| landing.rip).collect();
    addresses.sort_unstable();
    addresses.dedup();
    metric(&alloc::format!("{name}-instructions"), landings.len(), "count");
    metric(&alloc::format!("{name}-held-back"), held, "count");
    metric(&alloc::format!("{name}-stretches"), stretches, "count");
    metric(&alloc::format!("{name}-longest-stretch"), longest, "count");
    metric(&alloc::format!("{name}-addresses"), addresses.len(), "count");
    Swept { instructions: landings.len(), addresses: addresses.len() }
}
