//! A timer that notes how it was fired.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use guest_tests::{dawdle, is_on_interrupt_stack, spin_until};
use libkern::arch::irq;
use libkern::cpu;
use libkern::time::Instant;
use libkern::time::timer::Timer;

/// Timers that were fired, in order.
static ORDER: AtomicU64 = AtomicU64::new(0);

/// A timer, and what its `fire` notes.
#[repr(C)]
pub struct Shot {
    /// First, so that its address is the shot's.
    timer: Timer,
    deadline_ns: AtomicU64,
    core: AtomicUsize,
    fired: AtomicUsize,
    fired_at_ns: AtomicU64,
    order: AtomicU64,
    is_firing: AtomicBool,
    /// How long `fire` takes, in steps.
    slow: u64,
    /// Arms itself again after this time, if it is not 0.
    again_ns: u64,
}

impl Shot {
    /// One that is fired once.
    pub const fn new() -> Self {
        Self::with(0, 0)
    }

    /// One whose `fire` takes a while, and arms it again after a time, if that is not 0.
    pub const fn with(slow: u64, again_ns: u64) -> Self {
        Self {
            timer: Timer::new(fire),
            deadline_ns: AtomicU64::new(0),
            core: AtomicUsize::new(usize::MAX),
            fired: AtomicUsize::new(0),
            fired_at_ns: AtomicU64::new(0),
            order: AtomicU64::new(0),
            is_firing: AtomicBool::new(false),
            slow,
            again_ns,
        }
    }

    /// Arms it here.
    ///
    /// # Safety
    /// As for [`Timer::arm`].
    pub unsafe fn arm(&self, deadline_ns: u64) {
        self.deadline_ns.store(deadline_ns, Ordering::Relaxed);
        self.core.store(cpu::id(), Ordering::Relaxed);
        // SAFETY: the caller's word.
        unsafe { self.timer.arm(deadline_ns) };
    }

    /// Arms it here for some time from now.
    ///
    /// # Safety
    /// As for [`Timer::arm`].
    pub unsafe fn arm_in(&self, delay_ns: u64) {
        // SAFETY: the caller's word.
        unsafe { self.arm(Instant::now().as_nanos() + delay_ns) };
    }

    pub fn timer(&self) -> &Timer {
        &self.timer
    }

    pub fn fired(&self) -> usize {
        self.fired.load(Ordering::Acquire)
    }

    pub fn is_firing(&self) -> bool {
        self.is_firing.load(Ordering::Acquire)
    }

    /// How long after its deadline it was fired, in nanoseconds.
    pub fn late_ns(&self) -> u64 {
        self.fired_at_ns.load(Ordering::Relaxed) - self.deadline_ns.load(Ordering::Relaxed)
    }

    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns.load(Ordering::Relaxed)
    }

    /// Its place among all that were fired.
    pub fn order(&self) -> u64 {
        self.order.load(Ordering::Relaxed)
    }

    /// Waits until it was fired so often.
    #[track_caller]
    pub fn wait_for(&self, times: usize) {
        spin_until("a timer", || self.fired() >= times && !self.is_firing());
    }
}

/// # Safety
/// As for a timer's function.
unsafe fn fire(timer: NonNull<Timer>) {
    // SAFETY: it is a shot's, which stays until it was fired or cancelled.
    let shot = unsafe { timer.cast::<Shot>().as_ref() };
    let now_ns = Instant::now().as_nanos();
    shot.is_firing.store(true, Ordering::Release);
    let deadline_ns = shot.deadline_ns.load(Ordering::Relaxed);
    assert!(now_ns >= deadline_ns, "{} ns early", deadline_ns - now_ns);
    assert_eq!(cpu::id(), shot.core.load(Ordering::Relaxed), "on the core that armed it");
    assert!(!irq::enabled() && is_on_interrupt_stack());
    shot.fired_at_ns.store(now_ns, Ordering::Relaxed);
    shot.order.store(ORDER.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    dawdle(shot.slow);
    if shot.again_ns > 0 {
        // SAFETY: it stays where it is.
        unsafe { shot.arm(now_ns + shot.again_ns) };
        dawdle(shot.slow);
    }
    // Nothing of it is used after these two: whoever waits for them may take it away.
    shot.fired.fetch_add(1, Ordering::Release);
    shot.is_firing.store(false, Ordering::Release);
}
