//! Noticing that nothing will ever happen again.
//!
//! When the last core goes to sleep, nothing waits in an inbox, no timer is armed and no device is expected to say
//! anything, then whatever sleeps sleeps for ever: a deadlock. Processes are no exception: one that waits, and is on no core,
//! is woken by a core that runs something, by its alarm, which is a timer, or by a device. The core that finds this looks again after
//! [`CONFIRM_NS`], by when what was on its way has arrived; if no core has woken until then, the image ends with a list
//! of who sleeps on what.
//!
//! The timer by which long sleeps are reported wakes nobody, and does not count.
//!
//! A program that waits for a device says so: [`Expecting`] lives as long as an interrupt may wake somebody.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::sleepers;
use crate::arch::{self, clock, smp};
use crate::cpu;
use crate::kmsg;
use crate::sync::per_core;
use crate::time::timer::{self, Timer};

/// How long nothing must have happened.
const CONFIRM_NS: u64 = 1_000_000_000;

/// One more than the number of the core that suspects a deadlock, or zero if none does.
static SUSPECTED_BY: AtomicUsize = AtomicUsize::new(0);
/// Values that stand for devices.
static EXPECTING: AtomicUsize = AtomicUsize::new(0);
/// Whether the image ends for a deadlock.
static DEADLOCK: AtomicBool = AtomicBool::new(false);

per_core! {
    static CONFIRM: Timer = Timer::new(confirm);
    /// Whether the timer above is armed.
    static IS_CONFIRMING: AtomicBool = AtomicBool::new(false);
}

/// While it lives, something outside is expected to wake somebody: a device whose interrupt has a handler. Without one, and
/// with no timer armed, a machine of which all cores sleep is reported as a deadlock.
#[derive(Debug)]
#[must_use = "it counts while it lives"]
pub struct Expecting {
    _private: (),
}

impl Expecting {
    /// Something is expected from now on. Any context.
    pub fn new() -> Self {
        EXPECTING.fetch_add(1, Ordering::Relaxed);
        Self { _private: () }
    }
}

impl Default for Expecting {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        EXPECTING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// This core is about to halt, and `cores` halt then. Interrupts off.
#[inline(always)]
pub(super) fn core_halts(cores: usize) {
    if cores == smp::up() {
        last_core_halts();
    }
}

#[inline(never)]
fn last_core_halts() {
    if is_silent() {
        suspect();
    }
}

/// This core has halted and was woken. Interrupts off.
#[inline(always)]
pub(super) fn core_wakes() {
    // A timer that was cancelled leaves an interrupt behind, for nobody. If that counted, the one cancelled here would have
    // the next suspicion taken back, and so on for ever.
    if SUSPECTED_BY.load(Ordering::SeqCst) != 0 && kmsg::has_routine() {
        take_back();
    }
}

/// Something has happened since a deadlock was suspected.
#[cold]
#[inline(never)]
fn take_back() {
    SUSPECTED_BY.store(0, Ordering::SeqCst);
    // SAFETY: shared between cores by type; each is told its own, and interrupts are off.
    let (is_confirming, timer) = unsafe { (IS_CONFIRMING.get_unguarded(), CONFIRM.get_unguarded()) };
    if is_confirming.load(Ordering::Relaxed) {
        is_confirming.store(false, Ordering::Relaxed);
        let _ = timer.cancel();
    }
}

/// Whether nothing is under way anywhere.
fn is_silent() -> bool {
    let mut cores = (0..cpu::count()).filter(|&core| cpu::is_up(core));
    let has_timer = |core| {
        let own = usize::from(sleepers::have_timer_on(core)) + usize::from(IS_CONFIRMING.on(core).load(Ordering::Relaxed));
        timer::armed(core) > own
    };
    EXPECTING.load(Ordering::Relaxed) == 0 && cores.all(|core| kmsg::is_empty(core) && !has_timer(core))
}

#[cold]
fn suspect() {
    // SAFETY: interrupts are off.
    if unsafe { IS_CONFIRMING.get_unguarded() }.load(Ordering::Relaxed) {
        // Woken for nothing since.
        return;
    }
    SUSPECTED_BY.store(arch::core_id() + 1, Ordering::SeqCst);
    // SAFETY: interrupts are off; the variables live for ever.
    unsafe {
        IS_CONFIRMING.get_unguarded().store(true, Ordering::Relaxed);
        CONFIRM.get_unguarded().arm(clock::now_ns() + CONFIRM_NS);
    }
}

/// Ends the image, unless something has happened since it was suspected. In interrupt context, of a core that halts.
///
/// # Safety
/// As for a timer's function.
unsafe fn confirm(_: NonNull<Timer>) {
    // SAFETY: interrupts are off.
    unsafe { IS_CONFIRMING.get_unguarded() }.store(false, Ordering::Relaxed);
    // Some core that woke took it back, or another one suspects since then, and looks later.
    let is_suspected = SUSPECTED_BY.load(Ordering::SeqCst) == arch::core_id() + 1;
    if is_suspected && kmsg::halting() == smp::up() && is_silent() {
        DEADLOCK.store(true, Ordering::Relaxed);
        panic!("deadlock: all kthreads sleep and all processes wait, no timer is armed, and no device is expected to wake one");
    }
}

/// Whether the image ends because of a deadlock, so that the list of all kthreads is what explains it.
pub(crate) fn is_deadlock() -> bool {
    DEADLOCK.load(Ordering::Relaxed)
}
